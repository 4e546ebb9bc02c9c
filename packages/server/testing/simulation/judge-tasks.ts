// Judges tasks, as far as they are seen from outside.

import type { History, LeaseSeen } from './history.ts'
import type { Plan } from './swarm.ts'

/** Times of the server are whole milliseconds. */
const roundedMs = 2

export function judgeTasks(history: History, plan: Plan): void {
  judgeAdded(history)
  judgeEnds(history)
  judgeLeases(history, plan)
  judgeBatches(history, plan)
  for (const { queue, ready, delayed, leased } of history.final.queues) {
    if (Number(ready) + Number(delayed) + Number(leased) > 0) history.wrong(`${queue} is not at its end`)
  }
}

/** What was confirmed is there once, under the id that was told; and nothing else. */
function judgeAdded(history: History): void {
  const byKey = Map.groupBy(history.final.tasks.values(), ({ key }) => key ?? '')
  for (const { key, tries } of history.addings) {
    const there = byKey.get(key) ?? []
    byKey.delete(key)
    if (there.length > 1) history.wrong(`the task ${key} is there ${there.length} times`)
    const confirmed = tries.filter(({ outcome }) => outcome === 'ok')
    if (confirmed.length > 0 && there.length === 0) history.wrong(`the task ${key} was confirmed and is not there`)
    if (confirmed.some(({ id }) => id !== there[0]?.id)) history.wrong(`the task ${key} has another id`)
    if (there.length > 0 && tries.every(({ outcome }) => outcome === 'fail')) history.wrong(`${key} was refused`)
  }
  for (const key of byKey.keys()) history.wrong(`the task ${key} was added by nobody`)
}

/** Done is final; dead is who failed so often. */
function judgeEnds(history: History): void {
  for (const { id, state, failures, maxAttempts, attempts, attempt } of history.final.tasks.values()) {
    if (state !== 'done' && state !== 'dead') history.wrong(`the task ${id} is ${state} in the end`)
    const failed = attempts.filter(({ outcome = '' }) => ['failed', 'expired', 'released'].includes(outcome)).length
    if (state === 'dead' && (failures !== maxAttempts || failed !== maxAttempts)) {
      history.wrong(`the task ${id} is dead after ${failures} failures, ${failed} seen, of ${maxAttempts}`)
    }
    if (state === 'done' && failures > maxAttempts) history.wrong(`the task ${id} failed ${failures} times`)
    // A late report leaves a line of its own, under the number of the attempt that it is of.
    const all = attempts.filter(({ outcome }) => outcome !== 'stale').map(({ number }) => number)
    const numbers = all.filter((number, i) => number !== all[i - 1])
    // What was claimed for a worker that was gone by then was never handed out, and counts for nothing.
    if (numbers.some((number, i) => i > 0 && number <= (numbers[i - 1] ?? 0))) {
      history.wrong(`the attempts of ${id} are in no order: ${numbers}`)
    }
    if ((numbers.at(-1) ?? 0) !== attempt) history.wrong(`the task ${id} counts ${attempt} attempts of ${numbers}`)
  }
  for (const { task, answer = '', kind, token } of history.reports) {
    const state = history.final.tasks.get(task)?.state
    if (['done', 'already'].includes(answer) && state !== 'done') history.wrong(`${task} was ${answer} and is ${state}`)
    if (kind === 'done' && token === '77.zz' && !['stale', 'already'].includes(answer) && answer !== '') {
      history.wrong(`${task}: a token that never was, was answered with ${answer}`)
    }
  }
}

/** Each attempt once, one at a time, and none after it was said to be done. */
function judgeLeases(history: History, plan: Plan): void {
  for (const [task, leases] of Map.groupBy(history.leases, (lease) => lease.task)) {
    const reports = history.reports.filter((report) => report.task === task)
    const settled = reports.filter(({ answer = '' }) => answer === 'done' || answer === 'already')
    const doneAt = Math.min(...settled.map(({ end = Number.POSITIVE_INFINITY }) => end))
    const sorted = leases.toSorted((a, b) => a.attempt - b.attempt)
    for (const [i, lease] of sorted.entries()) {
      if (lease.begun > doneAt + roundedMs) history.wrong(`${task} was done and came again as ${lease.token}`)
      const before = sorted[i - 1]
      if (before === undefined) continue
      if (before.attempt === lease.attempt) history.wrong(`${task} came twice as attempt ${lease.attempt}`)
      if (plan.wishes.releaseOnDisconnect === true) continue
      const ended = reports
        .filter(({ token, start }) => token !== '77.zz' && start >= before.begun)
        .map(({ start }) => start)
      const over = Math.min(before.ends, ...ended)
      if (lease.begun < over - roundedMs) {
        history.wrong(
          `${task}: attempt ${lease.attempt} began ${over - lease.begun} ms before ${before.attempt} was over`,
        )
      }
    }
  }
}

/** A worker gets no more than it wanted, and nothing new before the last batch is settled. */
function judgeBatches(history: History, plan: Plan): void {
  for (const [connection, leases] of Map.groupBy(history.leases, (lease) => lease.connection)) {
    const batches = [...Map.groupBy(leases, ({ batch }) => batch).values()]
    for (const batch of batches) {
      const [{ size, worker }] = batch as [LeaseSeen]
      if (batch.length > size) history.wrong(`${worker} wanted ${size} tasks and got ${batch.length}`)
    }
    for (const [i, batch] of batches.entries()) {
      const begun = Math.min(...batch.map((lease) => lease.begun))
      const open = batches
        .slice(0, i)
        .flat()
        .filter((lease) => !settledBy(history, lease, begun))
      if (open.length > 0 && plan.wishes.releaseOnDisconnect !== true) {
        history.wrong(`connection ${connection} got more while ${open.map(({ task }) => task)} was open`)
      }
    }
  }
}

function settledBy(history: History, lease: LeaseSeen, time: number): boolean {
  if (lease.ends <= time + roundedMs || (lease.over ?? Number.POSITIVE_INFINITY) <= time) return true
  return history.reports.some(({ task, start }) => task === lease.task && start <= time + roundedMs)
}
