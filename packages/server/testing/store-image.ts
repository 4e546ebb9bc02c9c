// A store with known content, and the question that every damaged copy of it must answer: is what it serves true, and
// what it does not serve told?

import assert from 'node:assert/strict'
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { NitkaError } from '@nitka/protocol'
import { entry, room, user } from '../src/engines/conformance/log-fixtures.ts'
import type { EmbeddedEngine } from '../src/engines/embedded/engine.ts'
import { liveTables } from '../src/engines/embedded/manifest.ts'
import type { Cursor, Entry, LogName } from '../src/log/log-store.ts'
import { openStoreIn } from './store-folder.ts'

/** What a sound store answers. */
export interface Truth {
  readonly logs: readonly {
    readonly log: LogName
    readonly entries: readonly Entry[]
    readonly thread: readonly Entry[]
  }[]
  readonly cursors: readonly Cursor[]
  readonly members: readonly string[]
  readonly rooms: readonly string[]
}

const logs = [room('lobby'), room('lobby2'), user('anna'), user('bert')]

/** Fills the store in `folder`, in many small batches, and closes it. `rounds`: 4 entries each, and a little more. */
export async function makeStore(folder: string, rounds: number, writeBufferBytes: number): Promise<Truth> {
  const engine = await openStoreIn(folder, { writeBufferBytes })
  await engine.rooms.create(
    { id: 'lobby', name: 'Lobby', open: true, creator: 'anna', time: 1 },
    { roomsPerUserMax: 0 },
  )
  for (let i = 0; i < rounds; i++) {
    const thread = i % 3 === 0 ? 'third' : 'other'
    await engine.logs.append(
      logs.map((log) => ({
        entries: [entry(log, `body ${i} of ${log.id} ${'.'.repeat(i % 60)}`, { thread })],
        clientId: `c${i}`,
      })),
    )
    await engine.logs.move([{ log: room('lobby'), name: `cursor ${i % 5}`, offset: i, time: i }])
    if (i % 7 === 0) {
      const member = { user: `user ${i}`, time: i }
      await engine.rooms.add('lobby', member, { membersPerRoomMax: 0, roomsPerUserMax: 0 })
    }
  }
  const truth = await readTruth(engine)
  await engine.close()
  return truth
}

async function readAll(engine: EmbeddedEngine, log: LogName, thread?: string) {
  const entries: Entry[] = []
  const missing: number[] = []
  for (let after = 0, more = true; more; after = Math.max(entries.at(-1)?.offset ?? 0, missing.at(-1) ?? 0)) {
    const page = await engine.logs.read(log, { after, limit: 100, ...(thread === undefined ? {} : { thread }) })
    entries.push(...page.entries)
    for (const { from, to } of page.missing) for (let offset = from; offset <= to; offset++) missing.push(offset)
    more = page.more
  }
  return { entries, missing }
}

async function readTruth(engine: EmbeddedEngine): Promise<Truth> {
  const read = logs.map(async (log) => {
    const { entries } = await readAll(engine, log)
    return { log, entries, thread: (await readAll(engine, log, 'third')).entries }
  })
  return {
    logs: await Promise.all(read),
    cursors: await engine.logs.cursors(room('lobby'), ''),
    members: (await engine.rooms.members('lobby', undefined, 10_000)).map((member) => member.user),
    rooms: (await engine.rooms.list('anna', undefined, 500)).map((each) => each.id),
  }
}

/** How a damaged store answered. */
export type Verdict = 'true' | 'refused' | 'told'

/** Opens the damaged store and compares. Fails on any answer that differs without saying so. */
export async function judge(folder: string, truth: Truth, what: string): Promise<Verdict> {
  let engine: EmbeddedEngine
  try {
    engine = await openStoreIn(folder)
  } catch (thrown) {
    assert.ok(thrown instanceof NitkaError, `${what}: ${String(thrown)}`)
    assert.doesNotMatch(thrown.message, /\n/)
    return 'refused'
  }
  let told = false
  const ask = async (question: () => Promise<void>) => {
    try {
      await question()
    } catch (thrown) {
      const honest = thrown instanceof NitkaError && ['damaged', 'unavailable'].includes(thrown.code)
      if (!honest) throw thrown
      told = true
    }
  }
  try {
    for (const each of truth.logs) {
      for (const thread of [undefined, 'third']) {
        await ask(async () => {
          const { entries, missing } = await readAll(engine, each.log, thread)
          const expected = thread === undefined ? each.entries : each.thread
          const served = expected.filter((known) => !missing.includes(known.offset))
          assert.deepEqual(entries, served, `${what}: ${each.log.kind} ${each.log.id} ${thread ?? ''}`)
          told ||= missing.length > 0
        })
      }
      await ask(async () => {
        const [state] = await engine.logs.states([each.log])
        assert.equal(state?.head, each.entries.length, `${what}: head of ${each.log.id}`)
      })
    }
    await ask(async () =>
      assert.deepEqual(await engine.logs.cursors(room('lobby'), ''), truth.cursors, `${what}: cursors`),
    )
    await ask(async () => {
      const members = await engine.rooms.members('lobby', undefined, 10_000)
      assert.deepEqual(
        members.map((member) => member.user),
        truth.members,
        `${what}: members`,
      )
    })
    await ask(async () => {
      const rooms = await engine.rooms.list('anna', undefined, 500)
      assert.deepEqual(
        rooms.map((each) => each.id),
        truth.rooms,
        `${what}: rooms`,
      )
    })
  } finally {
    await engine.close()
  }
  return told ? 'told' : 'true'
}

/** A copy of the store, without its lock. */
export function copyStore(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true })
  cpSync(from, to, { recursive: true })
}

/** LevelDB's files of the store whose names match, without tables that it has replaced already. */
export function storeFiles(folder: string, names: RegExp): string[] {
  const live = liveTables(join(folder, 'store'))
  return readdirSync(join(folder, 'store'))
    .filter((name) => names.test(name) && (!name.endsWith('.ldb') || live?.has(Number.parseInt(name, 10)) === true))
    .toSorted()
    .map((name) => join('store', name))
}

/** Numbers from 0 up to 1 that a seed decides. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
