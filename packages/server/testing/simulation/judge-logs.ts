// Judges messages of users and rooms: acknowledged ⊆ stored ⊆ acknowledged ∪ unknown, nothing twice, offsets without a hole,
// the order of each sender, and that every reader got what it was promised.

import type { Adding, Entry, Hearing, History, Sending } from './history.ts'

export function judgeLogs(history: History): void {
  const byText = new Map(history.sendings.map((sending) => [sending.text, sending]))
  for (const [log, entries] of history.final.logs) {
    const trimmed = history.trims.get(log) ?? 0
    judgeOffsets(history, log, entries, trimmed)
    judgeOrigins(history, log, entries, byText)
    judgeOrder(history, log, entries, byText)
  }
  for (const sending of history.sendings) judgeStored(history, sending)
  for (const batch of history.batches) judgeBatch(history, batch)
  judgeAgreement(history)
  for (const hearing of history.hearings) judgeHearing(history, hearing)
  judgeReaders(history)
}

function judgeOffsets(history: History, log: string, entries: readonly Entry[], trimmed: number): void {
  const first = entries[0]?.offset ?? 1
  if (first > trimmed + 1) history.wrong(`${log} begins at ${first} and was trimmed to ${trimmed}`)
  for (const [i, { offset }] of entries.entries()) {
    if (offset !== first + i) return history.wrong(`${log} has ${offset} where ${first + i} should be`)
  }
  const ids = new Set(entries.map(({ id }) => id))
  if (ids.size !== entries.length) history.wrong(`${log} has an id twice`)
}

/** Nothing is there that nobody sent, that was refused, or that was sent elsewhere. */
function judgeOrigins(history: History, log: string, entries: readonly Entry[], byText: Map<string, Sending>): void {
  const seen = new Set<string>()
  for (const { text, from, to } of entries) {
    const sending = byText.get(text)
    const what = `${log}: ${text.slice(0, 30)}`
    if (sending === undefined) {
      history.wrong(`${what} was sent by nobody`)
      continue
    }
    if (seen.has(text)) history.wrong(`${what} is there twice`)
    seen.add(text)
    if (sending.from !== from || sending.to !== to) history.wrong(`${what} has another sender or receiver`)
    const logs = sending.service === 'rooms' ? [`room:${to}`] : [`user:${to}`, `user:${from}`]
    if (!logs.includes(log)) history.wrong(`${what} does not belong there`)
    if (sending.tries.every(({ outcome }) => outcome === 'fail')) history.wrong(`${what} was refused and is there`)
  }
}

/** What is confirmed is stored, where the confirmation said; each repeat was answered alike. */
function judgeStored(history: History, sending: Sending): void {
  const { service, from, to, text, tries } = sending
  const what = text.slice(0, 30)
  const confirmed = tries.filter(({ outcome }) => outcome === 'ok')
  if (confirmed.length === 0) return
  const logs = service === 'rooms' ? [`room:${to}`] : [`user:${to}`, `user:${from}`]
  for (const log of logs) {
    const entries = history.final.logs.get(log)
    if (entries === undefined) continue // Nobody reads it.
    const entry = entries.find((one) => one.text === text)
    const trimmed = history.trims.get(log) ?? 0
    if (entry === undefined) {
      const told = confirmed.find(({ offset }) => offset !== undefined)?.offset
      if (told === undefined ? trimmed === 0 : told > trimmed)
        history.wrong(`${log}: ${what} was confirmed and is not there`)
      continue
    }
    for (const { id, offset } of confirmed) {
      if (id !== undefined && id !== entry.id)
        history.wrong(`${log}: ${what} was confirmed as ${id} and is ${entry.id}`)
      if (log !== logs[0] || offset === undefined) continue
      if (offset !== entry.offset) history.wrong(`${log}: ${what} was confirmed at ${offset} and is at ${entry.offset}`)
    }
  }
}

/** All of it is there, or nothing. */
function judgeBatch(history: History, batch: readonly (Sending | Adding)[]): void {
  const keys = new Set([...history.final.tasks.values()].map(({ key }) => key))
  const there = batch.map((part): boolean | undefined => {
    if ('key' in part) return keys.has(part.key)
    const log = part.service === 'rooms' ? `room:${part.to}` : `user:${part.to}`
    if (history.final.logs.get(log)?.some(({ text }) => text === part.text) === true) return true
    return history.trims.has(log) ? undefined : false
  })
  const what = batch.map((part) => ('key' in part ? part.key : part.text))
  if (there.includes(true) && there.includes(false)) history.wrong(`of the batch ${what} there is ${there}`)
}

/** What a sender knew to be stored comes before what it sent later; so does what it sent before on the same connection. */
function judgeOrder(history: History, log: string, entries: readonly Entry[], byText: Map<string, Sending>): void {
  const senders = Map.groupBy(entries, ({ from }) => from)
  const place = new Map(history.sendings.map((sending, i) => [sending, i]))
  for (const [from, theirs] of senders) {
    const sendings = theirs.map(({ text }) => byText.get(text)).filter((one) => one !== undefined)
    let earliestEnd = Number.POSITIVE_INFINITY
    for (const sending of sendings.toReversed()) {
      const begun = sending.tries[0]?.start ?? 0
      if (earliestEnd < begun) history.wrong(`${log}: ${sending.text.slice(0, 30)} overtook what was confirmed before`)
      const ends = sending.tries
        .filter(({ outcome }) => outcome === 'ok')
        .map(({ end = Number.POSITIVE_INFINITY }) => end)
      earliestEnd = Math.min(earliestEnd, ...ends)
    }
    const once = sendings.filter(({ tries }) => tries.length === 1)
    for (const [connection, together] of Map.groupBy(once, ({ tries }) => tries[0]?.connection)) {
      const places = together.map((sending) => place.get(sending) ?? 0)
      const sorted = places.every((one, i) => i === 0 || one > (places[i - 1] ?? 0))
      if (!sorted) history.wrong(`${log}: what ${from} sent on connection ${connection} is in another order`)
    }
  }
}

/** At one offset there is one entry, for everybody and at all times. */
function judgeAgreement(history: History): void {
  const known = new Map<string, Entry>()
  const look = (log: string, entry: Entry): void => {
    const at = `${log}@${entry.offset}`
    const before = known.get(at)
    if (before === undefined) known.set(at, entry)
    else if (before.id !== entry.id || before.text !== entry.text)
      history.wrong(`${at} is ${before.id} and ${entry.id}`)
  }
  for (const [log, entries] of history.final.logs) for (const entry of entries) look(log, entry)
  const heads = new Map([...history.final.logs].map(([log, entries]) => [log, entries.at(-1)?.offset ?? 0]))
  for (const { log, entries, reader } of history.hearings) {
    for (const entry of entries) {
      look(log, entry)
      // Of an empty log nothing is known: it may have been trimmed to its end.
      const head = heads.get(log) ?? 0
      if (head > 0 && entry.offset > head)
        history.wrong(`${reader} heard ${log}@${entry.offset}, and it ends at ${head}`)
    }
  }
}

/** One connection: in order, without a hole that was not told. */
function judgeHearing(history: History, hearing: Hearing): void {
  const { reader, log, connection, after, whole, entries } = hearing
  const final = history.final.logs.get(log) ?? []
  const [, user = ''] = log.split(':')
  const trimmed = after === undefined || hearing.trimmed > 0 ? hearing.trimmed : (history.trims.get(log) ?? 0)
  let last = after
  for (const { offset, to } of entries) {
    const what = `${reader} on connection ${connection}: ${log}@${offset}`
    if (last !== undefined && offset <= last) history.wrong(`${what} came after ${last}`)
    else if (last !== undefined) {
      const between = final.filter((entry) => entry.offset > (last ?? 0) && entry.offset < offset)
      const owed = whole ? offset - last - 1 : between.filter((entry) => entry.to === user).length
      if (owed > 0 && offset - 1 > trimmed) history.wrong(`${what} came after ${last}, and ${owed} between are missing`)
    }
    if (!whole && to !== user) history.wrong(`${what} is not for ${user}`)
    last = offset
  }
}

/** In the end everybody who follows a log has all of it, and who confirms has got all that was sent to them. */
function judgeReaders(history: History): void {
  for (const [reader, hearings] of Map.groupBy(history.hearings, (hearing) => hearing.reader)) {
    const last = hearings.at(-1) as Hearing
    const final = history.final.logs.get(last.log) ?? []
    const head = final.at(-1)?.offset ?? 0
    if (last.whole) {
      const reached = last.entries.at(-1)?.offset ?? last.after ?? 0
      if (reached < head && last.trimmed < head)
        history.wrong(`${reader} got ${last.log} to ${reached}, and it ends at ${head}`)
      continue
    }
    const confirmed = history.confirming.get(reader)
    if (confirmed === undefined) continue
    const [, user = ''] = last.log.split(':')
    const got = new Set(hearings.flatMap(({ entries }) => entries.map(({ offset }) => offset)))
    const missed = final.filter(({ offset, to }) => offset > confirmed && to === user && !got.has(offset))
    if (missed.length > 0) history.wrong(`${reader} confirms and never got ${missed.map(({ offset }) => offset)}`)
  }
}
