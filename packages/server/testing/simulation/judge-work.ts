// Judges requests, pools and the relay.

import type { Execution, History, Holding } from './history.ts'
import type { Plan } from './swarm.ts'

export function judgeRequests(history: History, plan: Plan): void {
  for (const { type, text, answers, dropped } of history.asked) {
    if (answers.length > 1) history.wrong(`${type} ${text} was answered ${answers.length} times`)
    if (answers.length === 0 && !dropped) history.wrong(`${type} ${text} was not answered`)
    const [answer] = answers as readonly { echo?: string; err?: string }[]
    if (answer?.echo !== undefined && answer.echo !== text) history.wrong(`${text} got the answer to ${answer.echo}`)
    if (answer !== undefined && answer.echo === undefined && answer.err === undefined)
      history.wrong(`${text} got no answer`)
    if (answer?.echo !== undefined && (type === 'throws' || type === 'none'))
      history.wrong(`${type} ${text} has a result`)
  }
  const texts = history.executions.map(({ text }) => text)
  if (new Set(texts).size !== texts.length) history.wrong('a request was executed twice')
  const asked = new Map(history.asked.map((asking) => [asking.text, asking]))
  for (const { type, text, start } of history.executions) {
    const asking = asked.get(text)
    if (asking === undefined) history.wrong(`${type} ${text} was asked by nobody`)
    // Of remote executors the beginning is seen later than it was.
    else if (type !== 'remote' && start > asking.goneAt())
      history.wrong(`${type} ${text} began after its asker was gone`)
  }
  for (const [name, runs] of Map.groupBy(history.executions, ({ type, life }) => `${type} in life ${life}`)) {
    judgeTurns(history, name, runs, plan.requestMs)
    for (const [asker, theirs] of Map.groupBy(runs, (run) => run.asker)) {
      const numbers = theirs.map(({ text }) => asked.get(text)?.index ?? 0)
      const sorted = numbers.every((number, i) => i === 0 || number > (numbers[i - 1] ?? 0))
      if (!sorted) history.wrong(`${name}: of connection ${asker} they began as ${numbers}`)
    }
  }
}

/** One at a time; one whose time is over does not count. */
function judgeTurns(history: History, name: string, runs: readonly Execution[], requestMs: number): void {
  for (const [i, run] of runs.entries()) {
    const before = runs[i - 1]
    if (before === undefined) continue
    const over = Math.min(before.end ?? Number.POSITIVE_INFINITY, before.start + requestMs)
    if (run.start < over - 1)
      history.wrong(`${name}: ${run.text} began at ${run.start}, ${before.text} ran until ${over}`)
  }
}

export function judgePools(history: History): void {
  const byResource = new Map<string, Holding[]>()
  for (const holding of history.holdings) {
    for (const resource of holding.resources) {
      const known = byResource.get(resource)
      if (known === undefined) byResource.set(resource, [holding])
      else known.push(holding)
    }
  }
  for (const [resource, holdings] of byResource) {
    const sorted = holdings.toSorted((a, b) => a.token - b.token)
    for (const [i, holding] of sorted.entries()) {
      const before = sorted[i - 1]
      if (before === undefined) continue
      if (before.token === holding.token) {
        if (!holding.attached) history.wrong(`${resource}: the token ${holding.token} was given twice`)
        continue
      }
      if (holding.start < before.until - 1) {
        history.wrong(
          `${resource} was held under ${before.token} until ${before.until}, and under ${holding.token} from ${holding.start}`,
        )
      }
    }
    for (const earlier of holdings) {
      const wrong = holdings.find(({ asked, token }) => earlier.start <= asked && token < earlier.token)
      if (wrong !== undefined) history.wrong(`${resource}: the token ${wrong.token} was given after ${earlier.token}`)
    }
  }
}

export function judgeRelay(history: History): void {
  const sent = new Map<string, { connection: number; channel: string; binary: boolean; place: number }>()
  const heard = history.relayed.filter(({ kind }) => kind === 'heard')
  for (const [place, event] of history.relayed.entries()) {
    if (event.kind === 'sent') sent.set(event.text, { ...event, place })
  }
  for (const [connection, events] of Map.groupBy(heard, (event) => event.connection)) {
    const last = new Map<number, number>()
    for (const { text, binary, channel } of events) {
      const what = `relay, connection ${connection}: ${text.slice(0, 30)}`
      const origin = sent.get(text)
      if (origin === undefined) {
        history.wrong(`${what} was sent by nobody`)
        continue
      }
      if (origin.channel !== channel || origin.binary !== binary) history.wrong(`${what} is of another kind or channel`)
      if (origin.connection === connection) history.wrong(`${what} came back`)
      if (origin.place <= (last.get(origin.connection) ?? -1)) history.wrong(`${what} came twice, or out of order`)
      last.set(origin.connection, origin.place)
    }
  }
}

/** How long after the faults who had fallen behind may take to catch up, and how long a message may take then. */
const calmAfterMs = 12_000
const calmMs = 3_000
/** More messages a second than anybody sends. */
const calmRate = 1_000

/** While nothing fails and nobody is behind, everybody gets everything. */
export function judgeCalmRelay(history: History, plan: Plan): void {
  // Who is over a rate is read so slowly that what was sent long ago is still under way.
  if ((plan.wishes.rate ?? 0) < calmRate) return
  const heard = new Set(
    history.relayed.filter(({ kind }) => kind === 'heard').map(({ connection, text }) => `${connection} ${text}`),
  )
  const last = Math.max(...history.relayed.map(({ at }) => at))
  for (const { kind, at, channel, connection, text } of history.relayed) {
    if (kind !== 'sent' || at < history.healedAt + calmAfterMs || at > last - calmMs) continue
    const there = history.relayPlaces.filter(
      (place) => place.channel === channel && place.from <= at - calmMs && place.until() >= at + calmMs,
    )
    if (!there.some((place) => place.connection === connection)) continue
    for (const place of there) {
      if (place.connection === connection) continue
      if (!heard.has(`${place.connection} ${text}`)) history.wrong(`relay: ${text} did not come to ${place.connection}`)
    }
  }
}

/** What counts something that is there only while somebody is connected. */
const emptyInTheEnd = [
  'nitka_connections',
  'nitka_outbox_bytes',
  'nitka_relay_channels',
  'nitka_relay_pool_messages',
  'nitka_direct_inboxes',
  'nitka_rooms_present',
  'nitka_tasks_ready',
  'nitka_tasks_delayed',
  'nitka_tasks_leased',
  'nitka_task_workers',
  'nitka_requests_waiting',
  'nitka_requests_running',
  'nitka_pools_holds',
  'nitka_pools_waiting',
  'nitka_log_followed',
  'nitka_log_reads_waiting',
]

/** When everybody has gone. */
export function judgeEmpty(history: History, plan: Plan): void {
  for (const line of history.final.metrics.split('\n')) {
    const [, name = '', value = ''] = /^(nitka_\w+)(?:\{[^}]*\})? (\S+)$/.exec(line) ?? []
    if (emptyInTheEnd.includes(name) && Number(value) !== 0) history.wrong(`nobody is there, and ${line}`)
  }
  for (const [pool, { total, free, holding, waiters }] of history.final.pools) {
    if (total !== plan.pools.size || free !== total || holding !== 0 || waiters !== 0) {
      history.wrong(`${pool}: ${free} of ${total} free, ${holding} holds, ${waiters} wait`)
    }
  }
}
