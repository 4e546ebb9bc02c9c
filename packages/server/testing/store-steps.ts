// Numbered steps that change a store, each with all that it does following from its number, and one after the other: whatever
// happens to the store, it must hold the first so many of them as a whole, and nothing of the others.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { EmbeddedEngine } from '../src/engines/embedded/engine.ts'
import type { LogName, NewEntry } from '../src/log/log-store.ts'
import type { NewTask } from '../src/tasks/task-store.ts'
import { openStoreIn } from './store-folder.ts'

const a: LogName = { kind: 'room', id: 'a' }
const b: LogName = { kind: 'room', id: 'b' }
const anna: LogName = { kind: 'user', id: 'anna' }
const logs = [a, b, anna]

/** As many entries stay in a log that is trimmed. */
const kept = 30

/** What a store shows, in the form in which two are compared. */
interface Shown {
  readonly logs: Record<string, { first: number; entries: string[] }>
  readonly cursors: Record<string, number>
  readonly members: string[]
  readonly pools: Record<string, string>
  readonly tasks: Record<string, string>
}

interface Step {
  /** Asks for it. Steps are stored in the order in which they were asked for. */
  run(engine: EmbeddedEngine): Promise<unknown>
  /** What it does to what the store shows. */
  show(shown: Shown): void
}

const newId = (step: number, part: number): string => `${String(step * 10 + part).padStart(19, '0')}0`
const stepOf = (id: string): number => Math.floor(Number(id) / 100)

function entry(log: LogName, step: number, part: number, bytes: number): NewEntry {
  // Nothing that a table would compress.
  const text = createHash('shake256', { outputLength: bytes >> 1 }).update(`${step}.${part}`)
  const body = JSON.stringify(text.digest('hex'))
  return { log, id: newId(step, part), time: step, sender: 'bo', body, counts: true }
}

function showEntry(shown: Shown, { log, id, body }: NewEntry): void {
  const { first, entries } = shown.logs[log.id]!
  entries.push(`${first + entries.length} ${id} ${crc32(body)}`)
}

function appending(step: number, entries: readonly NewEntry[]): Step {
  return {
    run: (engine) => engine.logs.append([{ entries, clientId: `c${step}` }]),
    show: (shown) => {
      for (const one of entries) showEntry(shown, one)
    },
  }
}

function task(step: number, part: number): NewTask {
  const backoff = { kind: 'fixed', ms: 0, maxMs: 0 } as const
  const rules = { priority: 0, delayMs: 0, maxAttempts: 1, leaseMs: 3_600_000, backoff }
  return { ...rules, id: newId(step, part), queue: 'q', payload: `{"t":"${'t'.repeat(step % 300)}"}`, time: step }
}

/** Every step changes something: a log that is too short to be trimmed gets longer. */
function trimming(step: number, before: number): Step {
  if (before < 2) return appending(step, [entry(b, step, 1, 100)])
  return {
    run: (engine) => engine.logs.trim(a, before),
    show: ({ logs }) => {
      logs.a!.entries.splice(0, before - logs.a!.first)
      logs.a!.first = before
    },
  }
}

/** Every ten steps add two tasks, and one is claimed and reported. */
const claimed = (step: number): string => newId(Math.floor(step / 20) * 10 + 1, 1 + (Math.floor(step / 10) % 2))

const kinds: readonly ((step: number) => Step)[] = [
  (i) => appending(i, [entry(a, i, 1, 40 + ((i * 37) % 1_500)), entry(b, i, 2, 200)]),
  (i) => {
    const tasks = [task(i, 1), task(i, 2)]
    const sent = entry(a, i, 1, 300)
    return {
      run: (engine) => engine.storeTogether([{ entries: [sent], clientId: `c${i}` }], tasks),
      show: (shown) => {
        showEntry(shown, sent)
        for (const { id } of tasks) shown.tasks[id] = 'ready'
      },
    }
  },
  (i) => ({
    run: (engine) =>
      engine.pools.save([
        { kind: 'hold', pool: 'p', id: 'h', value: `${i}` },
        { kind: 'resource', pool: 'p', id: `r${i % 70}`, value: `"${'p'.repeat(i % 200)}"` },
      ]),
    show: ({ pools }) => {
      pools.h = `${i}`
      pools[`r${i % 70}`] = `"${'p'.repeat(i % 200)}"`
    },
  }),
  (i) => ({
    run: (engine) => engine.logs.move(['last', `k${i % 70}`].map((name) => ({ log: b, name, offset: i, time: i }))),
    show: ({ cursors }) => {
      cursors.last = i
      cursors[`k${i % 70}`] = i
    },
  }),
  (i) =>
    appending(
      i,
      [1, 2, 3].map((part) => entry(anna, i, part, 1_000 + ((i * 613) % 5_000))),
    ),
  (i) => appending(i, [entry(b, i, 1, 700)]),
  (i) => ({
    run: (engine) => engine.rooms.add('hall', { user: `u${i}`, time: i }, { roomsPerUserMax: 0, membersPerRoomMax: 0 }),
    show: (shown) => void shown.members.push(`u${i}`),
  }),
  (i) => ({
    run: (engine) => engine.tasks.claim('q', 'w', 1),
    show: ({ tasks }) => {
      tasks[claimed(i)] = 'leased'
    },
  }),
  (i) => ({
    run: (engine) => engine.tasks.report([{ id: claimed(i), outcome: i % 3 === 0 ? 'failed' : 'done' }]),
    show: ({ tasks }) => {
      if (i % 3 === 0) tasks[claimed(i)] = 'dead'
      else delete tasks[claimed(i)]
    },
  }),
  (i) => trimming(i, Math.floor(i / 10) * 2 + 2 - kept),
]

const making: Step = {
  run: (engine) =>
    engine.rooms.create({ id: 'hall', name: '', open: true, creator: 'u', time: 0 }, { roomsPerUserMax: 0 }),
  show: (shown) => void shown.members.push('u'),
}

/** The step of that number, from 0. */
export function storeStep(i: number): Step {
  return i === 0 ? making : kinds[i % kinds.length]!(i)
}

/** How many steps the store holds. Fails when what it shows is not what so many steps make. */
export async function storedSteps(engine: EmbeddedEngine): Promise<number> {
  const shown = sorted(await show(engine))
  const model: Shown = {
    logs: Object.fromEntries(logs.map(({ id }) => [id, { first: 1, entries: [] }])),
    ...{ cursors: {}, members: [], pools: {}, tasks: {} },
  }
  const told = Object.values(shown.logs).map(({ entries }) => stepOf(entries.at(-1)?.split(' ')[1] ?? '-1') + 1)
  const least = Math.max(...told, (shown.cursors.last ?? -1) + 1, Number(shown.pools.h ?? -1) + 1)
  for (let steps = 0; ; steps++) {
    if (steps >= least) {
      const expected = sorted(model)
      // What follows the last step that says its number is at most three that do not.
      if (steps === least + 4 || JSON.stringify(expected) === JSON.stringify(shown)) {
        assert.deepEqual(shown, expected, `not what ${least} to ${steps} steps make`)
        return steps
      }
    }
    storeStep(steps).show(model)
  }
}

async function show(engine: EmbeddedEngine): Promise<Shown> {
  const shown: Shown = { logs: {}, cursors: {}, members: [], pools: {}, tasks: {} }
  for (const log of logs) {
    const [state] = await engine.logs.states([log])
    const { first = 1, head = 0, headId = '' } = state ?? {}
    const entries: string[] = []
    for (let more = true, after = first - 1; more; after = first - 1 + entries.length) {
      const page = await engine.logs.read(log, { after, limit: 500 })
      assert.deepEqual(page.missing, [])
      entries.push(...page.entries.map(({ offset, id, body }) => `${offset} ${id} ${crc32(body)}`))
      more = page.more
    }
    assert.equal(first - 1 + entries.length, head)
    assert.equal(entries.at(-1)?.split(' ')[1] ?? '', headId)
    shown.logs[log.id] = { first, entries }
  }
  for (const { name, offset } of await engine.logs.cursors(b, '')) shown.cursors[name] = offset
  if ((await engine.rooms.get('hall')) !== undefined) {
    shown.members.push(...(await engine.rooms.members('hall', undefined, 10_000)).map(({ user }) => user))
  }
  for (const { id, value } of await engine.pools.load()) shown.pools[id] = value
  for (let after: string | undefined, first = true; first || after !== undefined; first = false) {
    const page = await engine.tasks.list({ limit: 500, ...(after === undefined ? {} : { after }) })
    for (const { id, state } of page.tasks) if (state !== 'done') shown.tasks[id] = state
    after = page.next
  }
  return shown
}

function sorted(shown: Shown): Shown {
  const byName = <Value>(record: Record<string, Value>) =>
    Object.fromEntries(Object.entries(record).toSorted(([one], [other]) => (one < other ? -1 : 1)))
  return {
    logs: byName(shown.logs),
    cursors: byName(shown.cursors),
    members: shown.members.toSorted(),
    pools: byName(shown.pools),
    tasks: byName(shown.tasks),
  }
}

/** What a log file holds once that step is in it. Undefined: nothing that is unique. */
export function stepText(step: number): string | undefined {
  return step > 0 && [0, 1, 4, 5].includes(step % 10) ? newId(step, 1) : undefined
}

/** The steps that are acknowledged in what the workload said are those below. */
export function acknowledgedIn(lines: readonly string[]): number {
  return Math.max(-1, ...lines.map((line) => Number(/^ack (\d+)/.exec(line)?.[1] ?? -1))) + 1
}

/** Opens a store after a crash: the steps below `least` must be there, and it must go on. Closed afterwards. */
export async function afterCrash(dataDir: string, least: number): Promise<void> {
  const engine = await openStoreIn(dataDir, { writeBufferBytes: 65_536 })
  try {
    const steps = await storedSteps(engine)
    assert.ok(steps >= least, `only ${steps} are there`)
    // One that is there is known as a repeat.
    for (let next = Math.max(1, steps - 9); next < steps; next++) {
      if ([0, 4, 5].includes(next % 10)) await storeStep(next).run(engine)
    }
    for (let next = steps; next < steps + 10; next++) {
      await storeStep(next).run(engine)
    }
    assert.equal(await storedSteps(engine), steps + 10)
  } finally {
    await engine.close()
  }
}
