// How tasks and queues look in a terminal. Fields come from a server and may be anything, so every one is read as text.

import { isObject } from '@nitka/protocol'
import { printable } from './server-call.ts'
import { jsonLine, Table, text, time } from './table.ts'

export type Fields = Readonly<Record<string, unknown>>

export const taskTitles = ['ID', 'QUEUE', 'STATE', 'FAILED', 'ADDED', 'PAYLOAD']
export const deadTitles = ['ID', 'QUEUE', 'ATTEMPTS', 'ENDED', 'LAST ATTEMPT', 'WORKER', 'PAYLOAD']
export const queueTitles = [
  'QUEUE',
  'READY',
  'DELAYED',
  'LEASED',
  'DONE',
  'DONE/MIN',
  'DEAD',
  'WORKERS',
  'FREE',
  'OLDEST READY',
  'NOTE',
]
const attemptTitles = ['ATTEMPT', 'WORKER', 'STARTED', 'ENDED', 'OUTCOME', 'REASON']

export function taskRow(task: Fields): string[] {
  const failed = `${text(task.failures)} of ${text(task.maxAttempts)}`
  return [text(task.id), text(task.queue), text(task.state), failed, time(task.time), jsonLine(task.payload)]
}

export function deadRow(task: Fields): string[] {
  const attempts = attemptsOf(task)
  const last = attempts.at(-1) ?? {}
  const how = [text(last.outcome), text(last.reason)].filter((part) => part !== '').join(': ')
  return [
    text(task.id),
    text(task.queue),
    `${attempts.length}`,
    time(last.ended),
    how,
    text(last.worker),
    jsonLine(task.payload),
  ]
}

export function queueRow(queue: Fields): string[] {
  const { ready, delayed, leased, done, donePerMinute, dead, workers, free } = queue
  const counts = [ready, delayed, leased, done, donePerMinute, dead, workers, free].map(text)
  const rules = queue.paused === true ? ['paused'] : []
  if (typeof queue.groupConcurrency === 'number' && queue.groupConcurrency > 0) {
    rules.push(`${queue.groupConcurrency} of a group`)
  }
  if (queue.ordered === true) rules.push('in order')
  return [text(queue.queue), ...counts, time(queue.oldestReady), rules.join(', ')]
}

/** A task in full: its fields, then its attempts. */
export function describe(task: Fields, columns: number): string[] {
  const fields = Object.entries(task).filter(([name]) => name !== 'attempts')
  const wide = Math.max(0, ...fields.map(([name]) => name.length))
  const lines = fields.map(([name, value]) => {
    const shown =
      name === 'time' || name === 'until' ? time(value) : typeof value === 'string' ? value : jsonLine(value)
    return printable(`${name.padEnd(wide)}  ${shown}`)
  })
  const attempts = attemptsOf(task)
  if (attempts.length === 0) return lines
  const rows = attempts.map(({ number, worker, started, ended, outcome, reason }) => [
    text(number),
    text(worker),
    time(started),
    time(ended),
    ended === undefined ? 'runs' : text(outcome),
    text(reason),
  ])
  return [...lines, '', ...new Table(attemptTitles, columns).lines(rows)]
}

function attemptsOf({ attempts }: Fields): readonly Fields[] {
  return Array.isArray(attempts) ? attempts.filter(isObject) : []
}
