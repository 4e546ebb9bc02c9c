// What every log store keeps, whatever it stores in. An engine's test calls this with a way to open an empty store, and
// to close and open it again where that means something.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Append } from '../../log/log-store.ts'
import { bodies, type Check, code, entry, type OpenLogs, room, single, user } from './log-fixtures.ts'
import { cursorsConform, pagesConform, trimConforms } from './log-pages.ts'

export type OpenLogStore = (t: TestContext) => Promise<OpenLogs>

const oddNames = [
  '__proto__',
  'constructor',
  '../..',
  '!',
  '!entry!',
  'a',
  'ab',
  'a!b',
  'é',
  'e\u0301',
  '\u{1f9f5}',
  '\uffff',
  ' ',
  '\u0001',
  'a/b',
  '%00',
  'x'.repeat(128),
]

/** Holds an engine to the port. `skip`: why a check does not apply, by its name. */
export function logStoreConforms(engine: string, open: OpenLogStore, skip: Record<string, string> = {}): void {
  const check = (name: string, body: (store: OpenLogs) => Promise<void>) =>
    test(`${engine}: ${name}`, { skip: skip[name] ?? false }, async (t) => body(await open(t)))

  appendConforms(check)
  dedupeConforms(check)
  pagesConform(check)
  cursorsConform(check)
  trimConforms(check)
}

function appendConforms(check: Check): void {
  check('an unknown log is an empty one', async ({ logs }) => {
    const page = await logs.read(room('lobby'), { after: 0, limit: 10 })
    const { epoch, ...state } = page.state
    assert.notEqual(epoch, '')
    assert.deepEqual(state, { first: 1, head: 0, headId: '', counted: 0 })
    assert.deepEqual([page.entries, page.more, page.missing], [[], false, []])
    assert.deepEqual(await logs.states([room('lobby')]), [page.state])
    assert.equal(await logs.find(room('lobby'), '0'.repeat(20)), undefined)
    assert.deepEqual(await logs.cursors(room('lobby'), ''), [])
  })

  check('offsets of a log are consecutive from 1 and follow the order of calls', async ({ logs }) => {
    const lobby = room('lobby')
    const calls = Array.from({ length: 200 }, (_, i) => logs.append([single(lobby, `${i}`), single(lobby, `${i}b`)]))
    const offsets = (await Promise.all(calls)).flat().flatMap((appended) => appended.offsets)
    assert.deepEqual(
      offsets,
      Array.from({ length: 400 }, (_, i) => i + 1),
    )
    const expected = Array.from({ length: 200 }, (_, i) => [`${i}`, `${i}b`]).flat()
    assert.deepEqual(await bodies(logs, lobby), expected)
  })

  check('an entry comes back as it went in', async ({ logs }) => {
    const body = '{"a":"\\u0000 ž \u{1f9f5}","__proto__":1}'
    const sent = entry(room('lobby'), body, { thread: 'with bert', sender: 'Änna', counts: false })
    const [appended] = await logs.append([{ entries: [sent], clientId: 'c-1' }])
    assert.deepEqual(appended, { repeated: false, id: sent.id, time: sent.time, offsets: [1] })
    const page = await logs.read(room('lobby'), { after: 0, limit: 1 })
    const { log: _log, counts: _counts, ...kept } = sent
    assert.deepEqual(page.entries, [{ ...kept, offset: 1, counted: 0, clientId: 'c-1' }])
  })

  check('entries of one append go to several logs, all or none', async ({ logs }) => {
    const both = () => ({ entries: [entry(user('anna'), 'hi'), entry(user('bert'), 'hi')], clientId: 'one' })
    await logs.append([both()])
    const other = { entries: [entry(user('anna'), 'other')], clientId: 'one' }
    await assert.rejects(logs.append([single(user('carl'), 'new'), other]), code('conflict'))
    const states = await logs.states([user('anna'), user('bert'), user('carl')])
    assert.deepEqual(
      states.map((state) => state.head),
      [1, 1, 0],
    )
  })

  check('a refused append does not stop those beside it', async ({ logs }) => {
    const lobby = room('lobby')
    await logs.append([single(lobby, 'one', 'id')])
    const results = await Promise.allSettled([
      logs.append([single(lobby, 'two')]),
      logs.append([single(lobby, 'not one', 'id')]),
      logs.append([single(lobby, 'three')]),
    ])
    assert.deepEqual(
      results.map((result) => result.status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.deepEqual(await bodies(logs, lobby), ['one', 'two', 'three'])
  })

  check('counted is how many entries that count stand up to an entry', async ({ logs }) => {
    const lobby = room('lobby')
    const counts = [true, false, true, true, false]
    for (const each of counts) await logs.append([{ entries: [entry(lobby, 'x', { counts: each })] }])
    const page = await logs.read(lobby, { after: 0, limit: 10 })
    assert.deepEqual(
      page.entries.map((each) => each.counted),
      [1, 1, 2, 3, 3],
    )
    assert.equal(page.state.counted, 3)
  })

  check('no name reaches into another log', async ({ logs }) => {
    for (const kind of ['room', 'user', 'hook'] as const) {
      for (const id of oddNames) await logs.append([single({ kind, id }, `${kind} ${id}`)])
    }
    for (const kind of ['room', 'user', 'hook'] as const) {
      for (const id of oddNames) {
        const page = await logs.read({ kind, id }, { after: 0, limit: 10 })
        assert.deepEqual(
          page.entries.map((each) => each.body),
          [`${kind} ${id}`],
          id,
        )
        assert.equal(page.state.head, 1)
      }
    }
  })

  check('names that cannot be kept are refused', async ({ logs }) => {
    for (const id of ['', 'a\0b', 'x'.repeat(129), 'é'.repeat(65), '\ud800']) {
      await assert.rejects(logs.append([single(room(id), 'x')]), code('invalid'), JSON.stringify(id))
      await assert.rejects(logs.read(room(id), { after: 0, limit: 1 }), code('invalid'))
    }
    await assert.rejects(logs.append([single(room('a'), 'x', 'y'.repeat(65))]), code('invalid'))
    await assert.rejects(logs.append([{ entries: [] }]), code('invalid'))
    assert.deepEqual(await logs.append([]), [])
  })

  check('what was confirmed is there after reopening', async ({ logs, reopen }) => {
    if (reopen === undefined) return
    const lobby = room('lobby')
    for (let i = 0; i < 20; i++) await logs.append([single(lobby, `${i}`)])
    await logs.move([{ log: lobby, name: 'anna', offset: 7, time: 5 }])
    const before = await logs.states([lobby])
    const again = await reopen()
    assert.deepEqual(
      await bodies(again, lobby),
      Array.from({ length: 20 }, (_, i) => `${i}`),
    )
    assert.deepEqual(await again.states([lobby]), before)
    assert.deepEqual(await again.cursors(lobby, ''), [{ name: 'anna', offset: 7, time: 5 }])
    const [next] = await again.append([single(lobby, 'next')])
    assert.deepEqual(next?.offsets, [21])
  })
}

function dedupeConforms(check: Check): void {
  const sent = (clientId: string, body = 'hello', sender = 'anna'): Append => ({
    entries: [entry(user('bert'), body, { sender, thread: 'anna' }), entry(user('anna'), body, { sender })],
    clientId,
  })

  check('a repeated client id keeps its first positions and writes nothing', async ({ logs }) => {
    const [first] = await logs.append([sent('c')])
    await logs.append([sent('other')])
    const [second] = await logs.append([sent('c')])
    assert.deepEqual(second, { ...first, repeated: true })
    assert.equal((await logs.states([user('bert')]))[0]?.head, 2)
  })

  check('a client id repeated at the same time is stored once', async ({ logs }) => {
    const all = await Promise.all(Array.from({ length: 20 }, () => logs.append([sent('c')])))
    const inOneCall = await logs.append([sent('d'), sent('d')])
    assert.equal(all.flat().filter((appended) => !appended.repeated).length, 1)
    assert.deepEqual(new Set(all.flat().map((appended) => appended.id)).size, 1)
    assert.deepEqual(
      inOneCall.map((appended) => [appended.repeated, appended.offsets]),
      [
        [false, [2, 2]],
        [true, [2, 2]],
      ],
    )
    assert.equal((await logs.states([user('bert')]))[0]?.head, 2)
  })

  check('a client id used for another payload is a conflict', async ({ logs }) => {
    await logs.append([sent('c')])
    await assert.rejects(logs.append([sent('c', 'other')]), code('conflict'))
    await assert.rejects(logs.append([sent('d', 'one'), sent('d', 'two')]), code('conflict'))
    const withoutThread = { entries: [entry(user('bert'), 'hello'), entry(user('anna'), 'hello')], clientId: 'c' }
    await assert.rejects(logs.append([withoutThread]), code('conflict'))
    const states = await logs.states([user('bert'), user('anna')])
    assert.deepEqual(
      states.map((state) => state.head),
      [1, 1],
    )
  })

  check('a client id belongs to its sender and its log', async ({ logs }) => {
    await logs.append([sent('c')])
    const [otherSender] = await logs.append([sent('c', 'hello', 'carl')])
    const [otherLog] = await logs.append([single(room('lobby'), 'hello', 'c')])
    assert.deepEqual([otherSender?.repeated, otherLog?.repeated], [false, false])
    // Sender and client id together must not be read as another pair.
    const pair = (sender: string, clientId: string) =>
      logs.append([{ entries: [entry(room('pair'), 'x', { sender })], clientId }])
    const [ab] = await pair('a', 'bc')
    const [abc] = await pair('ab', 'c')
    assert.deepEqual([ab?.repeated, abc?.repeated], [false, false])
  })

  check('a repeat after reopening is still a repeat', async ({ logs, reopen }) => {
    if (reopen === undefined) return
    const [first] = await logs.append([sent('c')])
    const again = await reopen()
    assert.deepEqual(await again.append([sent('c')]), [{ ...first, repeated: true }])
    await assert.rejects(again.append([sent('c', 'other')]), code('conflict'))
  })
}
