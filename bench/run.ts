// Runs everything: each variant in a fresh process, the order reversed every round, medians of the rounds.
// `--smoke`: one short round, to see that it still works.

import { directRate } from './direct.ts'
import { relayFanOut, relayLatency, roomFanOut } from './fan-out.ts'
import { holdRate, requestRate } from './requests.ts'
import { claimLatency, taskRate } from './tasks.ts'

const smoke = process.argv.includes('--smoke')
const rounds = smoke ? 1 : 3
const seconds = smoke ? 1 : 4

const one = { connections: 1, inFlight: 64 }
const many = { connections: 100, inFlight: 8 }
const tasks = smoke ? 5_000 : 50_000
/** Not installed: not a number, which every ratio of it shows. */
const orNaN = async (rate: Promise<number | undefined>): Promise<number> => (await rate) ?? Number.NaN

const variants: readonly [string, () => Promise<number>][] = [
  ['relay, deliveries/s', async () => (await relayFanOut('nitka', seconds)).perSecond],
  ['naive ws, deliveries/s', async () => (await relayFanOut('naive', seconds)).perSecond],
  ['room (on disk), deliveries/s', async () => (await roomFanOut(seconds)).perSecond],
  ['direct (on disk), messages/s', async () => (await directRate('nitka', seconds)).perSecond],
  ['ws and SQLite (on disk), messages/s', async () => (await directRate('sqlite', seconds)).perSecond],
  ['relay at 100/s, p99 ms', async () => (await relayLatency('nitka', seconds)).p99],
  ['naive ws at 100/s, p99 ms', async () => (await relayLatency('naive', seconds)).p99],
  ['requests, 1 × 64, round trips/s', () => orNaN(requestRate('nitka', seconds, one))],
  ['raw echo, 1 × 64, round trips/s', () => orNaN(requestRate('echo', seconds, one))],
  ['NATS, 1 × 64, round trips/s', () => orNaN(requestRate('nats', seconds, one))],
  ['requests, 100 × 8, round trips/s', () => orNaN(requestRate('nitka', seconds, many))],
  ['raw echo, 100 × 8, round trips/s', () => orNaN(requestRate('echo', seconds, many))],
  ['NATS, 100 × 8, round trips/s', () => orNaN(requestRate('nats', seconds, many))],
  ['holds (on disk), acquire and release/s', () => holdRate('disk', seconds)],
  ['holds (relaxed), acquire and release/s', () => holdRate('relaxed', seconds)],
  ['tasks (on disk), tasks/s', () => orNaN(taskRate('nitka', tasks))],
  ['BullMQ 5 (on disk), tasks/s', () => orNaN(taskRate('bullmq', tasks))],
  ['beanstalkd (on disk), tasks/s', () => orNaN(taskRate('beanstalkd', tasks))],
  ['BullMQ 5 (nothing on disk), tasks/s', () => orNaN(taskRate('bullmq', tasks, false))],
  ['beanstalkd (nothing on disk), tasks/s', () => orNaN(taskRate('beanstalkd', tasks, false))],
]

const found = new Map<string, number[]>(variants.map(([name]) => [name, []]))
for (let round = 0; round < rounds; round++) {
  for (const [name, measure] of round % 2 === 0 ? variants : [...variants].reverse()) {
    const value = await measure()
    found.get(name)?.push(value)
    console.error(`round ${round + 1}: ${name}: ${format(value)}`)
  }
}

function median(name: string): number {
  const values = [...(found.get(name) ?? [])].sort((a, b) => a - b)
  return values[Math.floor(values.length / 2)] ?? Number.NaN
}

function format(value: number): string {
  if (Number.isNaN(value)) return 'not installed'
  return value < 100 ? value.toFixed(2) : Math.round(value).toLocaleString('en')
}

for (const [name] of variants) console.log(`${name.padEnd(40)} ${format(median(name))}`)
const ratios: readonly [string, string, string][] = [
  ['relay / naive ws', 'relay, deliveries/s', 'naive ws, deliveries/s'],
  ['room / naive ws', 'room (on disk), deliveries/s', 'naive ws, deliveries/s'],
  ['tasks / BullMQ 5, both on disk', 'tasks (on disk), tasks/s', 'BullMQ 5 (on disk), tasks/s'],
  ['tasks / beanstalkd, both on disk', 'tasks (on disk), tasks/s', 'beanstalkd (on disk), tasks/s'],
  ['tasks on disk / BullMQ 5 in memory', 'tasks (on disk), tasks/s', 'BullMQ 5 (nothing on disk), tasks/s'],
  ['tasks on disk / beanstalkd in memory', 'tasks (on disk), tasks/s', 'beanstalkd (nothing on disk), tasks/s'],
  ['requests / raw echo, 1 × 64', 'requests, 1 × 64, round trips/s', 'raw echo, 1 × 64, round trips/s'],
  ['requests / NATS, 1 × 64', 'requests, 1 × 64, round trips/s', 'NATS, 1 × 64, round trips/s'],
  ['requests / raw echo, 100 × 8', 'requests, 100 × 8, round trips/s', 'raw echo, 100 × 8, round trips/s'],
  ['requests / NATS, 100 × 8', 'requests, 100 × 8, round trips/s', 'NATS, 100 × 8, round trips/s'],
  ['direct / ws and SQLite', 'direct (on disk), messages/s', 'ws and SQLite (on disk), messages/s'],
]
for (const [name, ours, theirs] of ratios) console.log(`${name.padEnd(40)} ${format(median(ours) / median(theirs))}`)
for (const waiting of smoke ? [1_000] : [10_000, 100_000, 1_000_000]) {
  const { p50, p99, perSecond } = await claimLatency(waiting)
  console.log(
    `report to next batch, ${waiting} waiting: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${format(perSecond)} tasks/s`,
  )
}
