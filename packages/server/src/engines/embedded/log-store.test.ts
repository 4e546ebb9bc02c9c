// What only this engine has: reported damage, expiry of client ids, removal of trimmed entries, the reserve, eviction.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openStoreIn, reopenable, storeFolder } from '../../../testing/store-folder.ts'
import { realWorld, type World } from '../../world.ts'
import { code, entry, room } from '../conformance/log-fixtures.ts'
import type { Disk, Row } from './disk.ts'
import { beyond, key, lastNumber, logBytes, ordered, spaces } from './keys.ts'

const lobby = room('lobby')
const append = (body: string, thread?: string) => ({
  entries: [entry(lobby, body, thread === undefined ? {} : { thread })],
})

/** A disk on which some keys are gone and some values spoiled. */
function spoiling(inner: Disk, spoiled: readonly Buffer[], gone: readonly Buffer[]): Disk {
  const has = (keys: readonly Buffer[], at: Buffer) => keys.some((each) => each.equals(at))
  const seen = (at: Buffer, value: Buffer | undefined) => {
    if (value === undefined || has(gone, at)) return undefined
    if (!has(spoiled, at)) return value
    const copy = Buffer.from(value)
    copy.writeUInt8((copy[0] ?? 0) ^ 1, 0)
    return copy
  }
  return {
    batch: (writes, sync) => inner.batch(writes, sync),
    getMany: async (keys, view) =>
      (await inner.getMany(keys, view)).map((value, i) => seen(keys[i] ?? Buffer.alloc(0), value)),
    scan: async (scan) =>
      (await inner.scan(scan)).flatMap(([at, value]): Row[] => {
        const kept = seen(at, value)
        return kept === undefined ? [] : [[at, kept]]
      }),
    view: () => inner.view(),
    close: () => inner.close(),
  }
}

const entryKey = (offset: number) => key(spaces.entry, logBytes(lobby), ordered(offset))

test('entries that are spoiled or gone are reported as damaged, the others served', async (t) => {
  const { engine, reopen } = await reopenable(t)
  await engine.logs.append(Array.from({ length: 10 }, (_, i) => append(`${i + 1}`, i % 2 === 0 ? 'odd' : 'even')))
  const { logs } = await reopen({
    disk: (disk) => spoiling(disk, [entryKey(3), entryKey(10)], [entryKey(4), entryKey(7)]),
  })
  const damaged = [
    { from: 3, to: 4, reason: 'damaged' },
    { from: 7, to: 7, reason: 'damaged' },
    { from: 10, to: 10, reason: 'damaged' },
  ]
  const up = await logs.read(lobby, { after: 0, limit: 20 })
  assert.deepEqual(
    up.entries.map((each) => each.offset),
    [1, 2, 5, 6, 8, 9],
  )
  assert.deepEqual([up.missing, up.more], [damaged, false])
  const down = await logs.read(lobby, { before: 11, limit: 20 })
  assert.deepEqual([down.entries, down.missing], [up.entries, up.missing])
  const page = await logs.read(lobby, { before: 8, limit: 2 })
  assert.deepEqual(
    page.entries.map((each) => each.offset),
    [5, 6],
  )
  assert.deepEqual([page.missing, page.more], [[{ from: 7, to: 7, reason: 'damaged' }], true])
  const thread = await logs.read(lobby, { after: 0, limit: 20, thread: 'odd' })
  assert.deepEqual(
    thread.entries.map((each) => each.offset),
    [1, 5, 9],
  )
  assert.deepEqual(
    thread.missing.map((range) => range.from),
    [3, 7],
  )
  for (const each of up.entries) assert.equal(await logs.find(lobby, each.id), each.offset)
})

test('a log whose state is spoiled, gone or older than its entries is not served and not written', async (t) => {
  const state = key(spaces.log, logBytes(lobby))
  for (const wrap of [(disk: Disk) => spoiling(disk, [state], []), (disk: Disk) => spoiling(disk, [], [state])]) {
    const { engine, reopen } = await reopenable(t)
    await engine.logs.append([append('1'), append('2')])
    const { logs } = await reopen({ disk: wrap })
    await assert.rejects(logs.read(lobby, { after: 0, limit: 1 }), code('damaged'))
    await assert.rejects(logs.states([lobby]), code('damaged'))
    await assert.rejects(logs.append([append('3')]), code('damaged'))
    assert.equal((await logs.append([{ entries: [entry(room('other'), 'x')] }]))[0]?.offsets[0], 1)
  }
})

test('spoiled cursors, rooms and client ids are not served', async (t) => {
  const { engine, reopen } = await reopenable(t)
  const room1 = { id: 'r', name: 'R', open: true, creator: 'anna', time: 1 }
  await engine.rooms.create(room1, { roomsPerUserMax: 0 })
  await engine.rooms.add('r', { user: 'bert', time: 1 }, { membersPerRoomMax: 0, roomsPerUserMax: 0 })
  await engine.logs.move([{ log: lobby, name: 'c', offset: 1, time: 1 }])
  const member = key(spaces.member, Buffer.from('\u0001rbert'))
  const again = await reopen({
    disk: (disk) => spoiling(disk, [key(spaces.cursor, logBytes(lobby), Buffer.from('c'))], [member]),
  })
  await assert.rejects(again.logs.cursors(lobby, ''), code('damaged'))
  await assert.rejects(again.logs.move([{ log: lobby, name: 'c', offset: 2, time: 1 }]), code('damaged'))
  await assert.rejects(again.rooms.members('r', undefined, 10), code('damaged'))
})

/** A world whose wall clock a test sets; everything else is real. */
function worldAt(time: { now: number }): World {
  const world = realWorld()
  return { ...world, clock: { ...world.clock, now: () => time.now } }
}

/** How many keys a space of the engine's disk holds. */
function counting() {
  const held: { disk: Disk | undefined } = { disk: undefined }
  const count = async (space: Buffer) =>
    (await held.disk?.scan({ from: space, to: beyond(space), limit: 10_000 }))?.length
  return { wrap: (disk: Disk) => (held.disk = disk), count, held }
}

test('a client id is forgotten after its window, in memory at once and on the disk by the sweep', async (t) => {
  const time = { now: 1_000_000_000 }
  const { wrap, count } = counting()
  const engine = await openStoreIn(storeFolder(t), { world: worldAt(time), dedupeWindowMs: 1_000, disk: wrap })
  const send = (clientId: string) => engine.logs.append([{ ...append('x'), clientId }])
  for (let i = 0; i < 1_200; i++) void send(`c${i}`)
  await send('c')
  time.now += 999
  assert.equal((await send('c'))[0]?.repeated, true)
  time.now += 1
  assert.equal((await send('c'))[0]?.repeated, false, 'older than the window, though not swept yet')
  assert.deepEqual([await count(spaces.dedupe), await count(spaces.expiry)], [1_201, 2])
  time.now += 1
  await engine.swept()
  assert.deepEqual([await count(spaces.dedupe), await count(spaces.expiry)], [1, 1])
  assert.equal((await send('c'))[0]?.repeated, true)
  await engine.close()
})

test('what a trim leaves is removed in the background, also after a restart', async (t) => {
  const { wrap, count, held } = counting()
  const { engine, reopen } = await reopenable(t, { disk: wrap })
  for (let i = 0; i < 6; i++) {
    await engine.logs.append(Array.from({ length: 250 }, (_, n) => append(`${i} ${n}`, n % 2 === 0 ? 't' : undefined)))
  }
  await engine.logs.trim(lobby, 1_401)
  await reopen() // May come before the sweep has ended: the note on the disk makes it go on.
  const again = await reopen()
  await again.swept()
  assert.deepEqual([await count(spaces.entry), await count(spaces.thread), await count(spaces.trim)], [100, 50, 0])
  const rows = await held.disk?.scan({ from: spaces.entry, to: beyond(spaces.entry), limit: 1 })
  assert.equal(lastNumber(rows?.[0]?.[0] ?? Buffer.alloc(6)), 1_401)
})

test('writing stops before the disk is full; cursors move and reads go on', async (t) => {
  const disk = { freeBytes: 10_000, totalBytes: 100_000 }
  const time = { monotonic: 0 }
  const world = realWorld()
  const clock = { ...world.clock, monotonic: () => time.monotonic }
  const engine = await openStoreIn(storeFolder(t), {
    world: { ...world, clock },
    reserveBytes: 1_000,
    freeSpace: async () => disk,
  })
  await engine.logs.append([append('1')])
  disk.freeBytes = 999
  await engine.logs.append([append('asked at most once a second')])
  time.monotonic += 1_000
  await assert.rejects(engine.logs.append([append('3')]), /disk almost full/)
  await assert.rejects(engine.logs.append([append('3')]), code('unavailable'))
  assert.match(engine.unhealthy() ?? '', /disk almost full/)
  await engine.logs.move([{ log: lobby, name: 'c', offset: 1, time: 1 }])
  assert.equal((await engine.logs.read(lobby, { after: 0, limit: 5 })).entries.length, 2)
  disk.freeBytes = 1_000
  time.monotonic += 1_000
  assert.deepEqual((await engine.logs.append([append('3')]))[0]?.offsets, [3])
  assert.equal(engine.unhealthy(), undefined)
  await engine.close()
})

test('counters tell what happened', async (t) => {
  const engine = await openStoreIn(storeFolder(t))
  let told = 0
  engine.onCommit = () => (told += 1)
  await engine.logs.append([{ ...append('x'), clientId: 'c' }])
  await engine.logs.append([{ ...append('x'), clientId: 'c' }])
  const { commits, appends, repeats, failures, damaged } = engine.counters
  assert.deepEqual(
    { commits, appends, repeats, failures, damaged, told },
    { commits: 1, appends: 1, repeats: 1, failures: 0, damaged: 0, told: 1 },
  )
  await engine.close()
})

test('nobody is told before the batch is on disk, and every batch is synced unless the store is relaxed', async (t) => {
  for (const durability of ['disk', 'relaxed'] as const) {
    const syncs: boolean[] = []
    let release = () => {}
    let held: Promise<void> | undefined
    const wrap = (disk: Disk): Disk => ({
      batch: async (writes, sync) => {
        syncs.push(sync)
        await held
        return disk.batch(writes, sync)
      },
      getMany: (keys, view) => disk.getMany(keys, view),
      scan: (scan) => disk.scan(scan),
      view: () => disk.view(),
      close: () => disk.close(),
    })
    const engine = await openStoreIn(storeFolder(t), { durability, disk: wrap })
    held = new Promise((resolve) => (release = resolve))
    const told: string[] = []
    const calls = [
      engine.logs.append([append('1')]).then(() => told.push('append')),
      engine.logs.move([{ log: lobby, name: 'c', offset: 1, time: 1 }]).then(() => told.push('move')),
      engine.rooms
        .create({ id: 'r', name: 'R', open: true, creator: 'a', time: 1 }, { roomsPerUserMax: 0 })
        .then(() => told.push('create')),
    ]
    while (syncs.length < 2) await new Promise((resolve) => setImmediate(resolve))
    const page = await engine.logs.read(lobby, { after: 0, limit: 5 })
    assert.deepEqual([told, page.entries, page.state.head], [[], [], 0])
    assert.equal((await engine.logs.states([lobby]))[0]?.head ?? 0, 0)
    release()
    await Promise.all(calls)
    assert.deepEqual(told, ['append', 'move', 'create'])
    assert.deepEqual(syncs, [true, durability === 'disk']) // The first makes the store, and is always synced.
    await engine.close()
  }
})
