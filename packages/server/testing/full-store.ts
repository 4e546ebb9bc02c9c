// A store with something of every kind in it: for tests of what carries all of it elsewhere.

import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { IdSource } from '@nitka/protocol'
import type { EmbeddedEngine } from '../src/engines/embedded/engine.ts'
import type { Engine } from '../src/engines/engine.ts'
import type { Append, LogName } from '../src/log/log-store.ts'
import type { NewTask } from '../src/tasks/task-store.ts'
import { realWorld } from '../src/world.ts'
import { temporaryFolder } from './server.ts'
import { openStoreIn } from './store-folder.ts'

/** Those that are filled. */
export const logs: readonly LogName[] = [
  ...['tea', 'a-long-name', 'zoo', 'empty'].map((id): LogName => ({ kind: 'room', id })),
  ...['ann', 'bo'].map((id): LogName => ({ kind: 'user', id })),
  { kind: 'hook', id: 'undelivered' },
]

const limits = { roomsPerUserMax: 0, membersPerRoomMax: 0 }
const room = (id: string): LogName => ({ kind: 'room', id })
const user = (id: string): LogName => ({ kind: 'user', id })

/** @param entries messages in rooms; as many again between users */
export async function fill(engine: EmbeddedEngine, entries: number): Promise<void> {
  const ids = newIds()
  const time = 1_700_000_000_000
  for (const [i, id] of ['tea', 'a-long-name', 'zoo', 'empty'].entries()) {
    const owner = ['ann', 'bo', 'Ünïcode ☕', 'ann'][i]!
    await engine.rooms.create(
      { id, name: `Room ${id} "☕"\n`, open: i % 2 === 0, creator: owner, time: time + i },
      limits,
    )
    await engine.rooms.add(id, { user: 'eve', time: time + 10 + i }, limits)
    await engine.rooms.add(id, { user: `guest ${i}`, time: time + 20 }, limits)
  }
  await engine.rooms.remove('tea', 'ann')
  const appends = Array.from({ length: entries }, (_, i): Append[] => {
    const body = JSON.stringify({ n: i, text: '☕ "quoted" \u0001\u2028'.repeat(i % 7) })
    const direct = { id: ids.next(), time: time + i, sender: 'ann', body, thread: 'u:bo', counts: false }
    return [
      {
        entries: [
          {
            log: room(['tea', 'a-long-name', 'zoo'][i % 3]!),
            id: ids.next(),
            time,
            sender: i % 5 ? 'eve' : '',
            body,
            counts: true,
          },
        ],
        ...(i % 4 === 0 ? { clientId: `client ${i}` } : {}),
      },
      {
        entries: [
          { ...direct, log: user('bo'), thread: 'u:ann', counts: true },
          { ...direct, log: user('ann') },
          ...(i % 9 === 0 ? [{ ...direct, log: { kind: 'hook', id: 'undelivered' } as const }] : []),
        ],
        clientId: `direct ${i}`,
      },
    ]
  }).flat()
  for (let i = 0; i < appends.length; i += 500) await engine.logs.append(appends.slice(i, i + 500))
  await engine.logs.trim(room('zoo'), Math.floor(entries / 9))
  await engine.logs.move([
    { log: user('bo'), name: 'read', offset: 7, time },
    { log: user('bo'), name: 'confirmed:phone', offset: entries - 3, time: time + 5 },
    { log: room('tea'), name: 'read:eve', offset: 3, time },
    { log: room('empty'), name: 'read:eve', offset: 1, time },
  ])
  await fillTasks(engine, ids, Math.floor(entries / 2))
  const hold = { user: 'ann', resources: ['a'], token: 2 ** 32, since: time, until: 2e12, detached: false }
  await engine.pools.save([
    { kind: 'resource', pool: 'proxies', id: 'a', value: '{"data":{"ip":"::1"}}' },
    { kind: 'resource', pool: 'proxies', id: 'b', value: '{}' },
    { kind: 'booking', pool: 'court', id: 'morning', value: '{"user":"ann","resources":["c"],"from":1,"to":2}' },
    { kind: 'hold', pool: 'proxies', id: 'h', value: JSON.stringify(hold) },
  ])
}

async function fillTasks(engine: EmbeddedEngine, ids: IdSource, count: number): Promise<void> {
  const { tasks } = engine
  await tasks.configure('mail', { groupConcurrency: 2, ordered: true })
  await tasks.configure('quiet', { paused: true })
  const make = (i: number, more: Partial<NewTask>): NewTask => ({
    ...{ id: ids.next(), queue: 'mail', payload: `{"n":${i},"text":"${'x'.repeat((i % 50) * 90)}"}`, priority: i % 3 },
    ...{ time: 1_700_000_000_000 + i, delayMs: 0, maxAttempts: 2, leaseMs: 60_000 },
    backoff: { kind: 'exponential', ms: 600_000, maxMs: 900_000 },
    ...more,
  })
  await tasks.add(Array.from({ length: count }, (_, i) => make(i, i % 2 === 0 ? { group: `g${i % 11}` } : {})))
  await tasks.add(Array.from({ length: 40 }, (_, i) => make(i, { queue: 'later', delayMs: 3_600_000 + i })))
  await tasks.add(Array.from({ length: 30 }, (_, i) => make(i, { queue: 'quiet', key: `k${i}`, room: 'tea' })))
  await tasks.add(
    Array.from({ length: 30 }, (_, i) => make(i, { queue: 'work', backoff: { kind: 'fixed', ms: 0, maxMs: 0 } })),
  )
  const [done, dead, failed, ...held] = await tasks.claim('work', 'ann#1', 12)
  await tasks.report([{ id: done!.task.id, token: done!.token, outcome: 'done' }])
  await tasks.report([{ id: failed!.task.id, token: failed!.token, outcome: 'failed', reason: 'no paper ☕' }])
  await tasks.bury(dead!.task.id, 'by hand')
  await tasks.progress(held[0]!.task.id, held[0]!.token, '{"percent":40}')
  const mail = await tasks.claim('mail', 'bo#2', 6)
  await tasks.report(mail.slice(0, 3).map(({ task, token }) => ({ id: task.id, token, outcome: 'failed' as const })))
}

function newIds(): IdSource {
  const { clock, random } = realWorld()
  return new IdSource(() => clock.now(), random.bytes(8))
}

/** Everything that the ports tell of a store. */
export async function contents(engine: Engine) {
  const histories = []
  for (const log of logs) {
    const entries = []
    const threads = []
    let { state } = await engine.logs.read(log, { after: 0, limit: 1 })
    for (let more = true, after = 0; more; ) {
      const page = await engine.logs.read(log, { after, limit: 500 })
      entries.push(...page.entries)
      more = page.more
      after = page.entries.at(-1)?.offset ?? 0
      state = page.state
    }
    for (const thread of ['u:ann', 'u:bo'])
      threads.push(await engine.logs.read(log, { before: 1e9, limit: 50, thread }))
    const { epoch: _epoch, ...known } = state
    const cursors = await engine.logs.cursors(log, '')
    histories.push({ log, known, entries, threads: threads.map((page) => page.entries), cursors })
  }
  const rooms = []
  for (const { id } of logs.filter(({ kind }) => kind === 'room')) {
    rooms.push([await engine.rooms.get(id), await engine.rooms.members(id, undefined, 100)])
  }
  const tasks = []
  for (let after: string | undefined, first = true; first || after !== undefined; first = false) {
    const page = await engine.tasks.list({ limit: 500, ...(after === undefined ? {} : { after }) })
    tasks.push(...page.tasks)
    after = page.next
  }
  return { histories, rooms, tasks, queues: engine.tasks.queues(), pools: await engine.pools.load() }
}

/** A full store in a folder of its own, closed: what it told before, its states, and the fencing number that it gave last. */
export async function fullStore(t: TestContext, entries: number) {
  const folder = await temporaryFolder(t)
  const data = join(folder, 'data')
  const engine = await openStoreIn(data)
  await fill(engine, entries)
  const before = await contents(engine)
  const token = await engine.pools.tokens(1)
  const states = await engine.logs.states(logs)
  await engine.close()
  return { folder, data, before, token, states }
}
