// Pages, cursors and trims of a log store: the second half of its suite.

import assert from 'node:assert/strict'
import type { LogName, LogStore } from '../../log/log-store.ts'
import { type Check, code, entry, room, single, user } from './log-fixtures.ts'

export function pagesConform(check: Check): void {
  const fill = async (logs: LogStore, log: LogName, count: number) => {
    await logs.append(Array.from({ length: count }, (_, i) => single(log, `${i + 1}`)))
  }
  const offsets = (page: { entries: readonly { offset: number }[] }) => page.entries.map((each) => each.offset)

  check('a log is read in pages, upwards and downwards, oldest first', async ({ logs }) => {
    const lobby = room('lobby')
    await fill(logs, lobby, 10)
    const up = await logs.read(lobby, { after: 3, limit: 4 })
    assert.deepEqual([offsets(up), up.more], [[4, 5, 6, 7], true])
    const last = await logs.read(lobby, { after: 7, limit: 3 })
    assert.deepEqual([offsets(last), last.more], [[8, 9, 10], false])
    const beyond = await logs.read(lobby, { after: 10, limit: 3 })
    assert.deepEqual([offsets(beyond), beyond.more, beyond.missing], [[], false, []])
    const down = await logs.read(lobby, { before: 8, limit: 3 })
    assert.deepEqual([offsets(down), down.more], [[5, 6, 7], true])
    const oldest = await logs.read(lobby, { before: 4, limit: 3 })
    assert.deepEqual([offsets(oldest), oldest.more], [[1, 2, 3], false])
    const newest = await logs.read(lobby, { before: Number.MAX_SAFE_INTEGER, limit: 2 })
    assert.deepEqual([offsets(newest), newest.more], [[9, 10], true])
    assert.deepEqual(offsets(await logs.read(lobby, { before: 1, limit: 5 })), [])
  })

  check('a thread is a log within the log', async ({ logs }) => {
    const anna = user('anna')
    const threads = ['bert', 'carl', 'bert', 'b', 'bert', 'berta', 'carl', 'bert']
    await logs.append(threads.map((thread, i) => ({ entries: [entry(anna, `${i + 1}`, { thread })] })))
    await logs.append([single(anna, 'none')])
    const all = await logs.read(anna, { after: 0, limit: 10, thread: 'bert' })
    assert.deepEqual([offsets(all), all.more, all.missing], [[1, 3, 5, 8], false, []])
    const up = await logs.read(anna, { after: 1, limit: 2, thread: 'bert' })
    assert.deepEqual([offsets(up), up.more], [[3, 5], true])
    const down = await logs.read(anna, { before: 8, limit: 2, thread: 'bert' })
    assert.deepEqual([offsets(down), down.more], [[3, 5], true])
    const oldest = await logs.read(anna, { before: 5, limit: 2, thread: 'bert' })
    assert.deepEqual([offsets(oldest), oldest.more], [[1, 3], false])
    assert.deepEqual(offsets(await logs.read(anna, { after: 0, limit: 9, thread: 'nobody' })), [])
  })

  check('a page is about 1 MiB at most, and says that there is more', async ({ logs }) => {
    const [lobby, large] = [room('lobby'), 'x'.repeat(64 * 1024)]
    for (let i = 0; i < 40; i++) await logs.append([{ entries: [entry(lobby, large, { thread: 't' })] }])
    for (const thread of [{}, { thread: 't' }]) {
      const up: number[] = []
      for (let after = 0, more = true; more; after = up.at(-1) ?? 0) {
        const page = await logs.read(lobby, { after, limit: 500, ...thread })
        assert.ok(page.entries.length >= 1 && page.entries.length <= 18, `${page.entries.length} entries`)
        up.push(...offsets(page))
        more = page.more
      }
      assert.deepEqual(
        up,
        Array.from({ length: 40 }, (_, i) => i + 1),
      )
      const down: number[] = []
      for (let before = 41, more = true; more; before = down[0] ?? 0) {
        const page = await logs.read(lobby, { before, limit: 500, ...thread })
        assert.ok(page.entries.length >= 1 && page.entries.length <= 18)
        down.unshift(...offsets(page))
        more = page.more
      }
      assert.deepEqual(down, up)
    }
  })

  check('a limit outside 1 to 500 is refused', async ({ logs }) => {
    for (const limit of [0, -1, 501, 1.5, Number.NaN]) {
      await assert.rejects(logs.read(room('lobby'), { after: 0, limit }), code('invalid'))
    }
  })

  check('page and state are one view while others write', async ({ logs }) => {
    const lobby = room('lobby')
    const writes: Promise<unknown>[] = []
    for (let i = 0; i < 40; i++) {
      writes.push(logs.append([single(lobby, `${i}`), single(lobby, `${i}`)]))
      const page = await logs.read(lobby, { after: 0, limit: 500 })
      assert.deepEqual([page.missing, page.more], [[], false])
      assert.equal(page.entries.length, page.state.head)
      assert.equal(page.entries.at(-1)?.id ?? '', page.state.headId)
      assert.equal(page.state.head % 2, 0)
    }
    await Promise.all(writes)
  })

  check('states come in the order asked, with the newest id', async ({ logs }) => {
    const last = entry(room('b'), 'x')
    await logs.append([single(room('a'), 'x'), single(room('b'), 'x'), { entries: [last] }])
    const states = await logs.states([room('b'), room('none'), room('a'), room('b')])
    assert.deepEqual(
      states.map((state) => state.head),
      [2, 0, 1, 2],
    )
    assert.equal(states[0]?.headId, last.id)
    assert.deepEqual(await logs.states([]), [])
  })

  check('an entry is found by its id', async ({ logs }) => {
    const lobby = room('lobby')
    const sent = Array.from({ length: 33 }, (_, i) => entry(lobby, `${i}`))
    await logs.append(sent.map((each) => ({ entries: [each] })))
    for (const [i, each] of sent.entries()) assert.equal(await logs.find(lobby, each.id), i + 1)
    assert.equal(await logs.find(lobby, '0'.repeat(20)), undefined)
    assert.equal(await logs.find(lobby, 'z'.repeat(20)), undefined)
    assert.equal(await logs.find(room('other'), sent[3]?.id ?? ''), undefined)
  })
}

export function cursorsConform(check: Check): void {
  check('cursors move forward only', async ({ logs }) => {
    const lobby = room('lobby')
    const move = (name: string, offset: number, time: number) => logs.move([{ log: lobby, name, offset, time }])
    await move('anna', 5, 1)
    await move('anna', 3, 2)
    await move('anna', 5, 3)
    assert.deepEqual(await logs.cursors(lobby, ''), [{ name: 'anna', offset: 5, time: 1 }])
    await Promise.all([move('anna', 9, 4), move('anna', 7, 5), move('anna', 8, 6)])
    assert.deepEqual(await logs.cursors(lobby, ''), [{ name: 'anna', offset: 9, time: 4 }])
    await assert.rejects(move('anna', -1, 7), code('invalid'))
  })

  check('cursors are listed by name and prefix, log by log', async ({ logs }) => {
    const names = ['ack:b', 'ack:a', 'ack', 'read:a', 'é', '!', '__proto__']
    await logs.move(names.map((name, i) => ({ log: room('a'), name, offset: i + 1, time: 0 })))
    await logs.move([{ log: room('ab'), name: 'x', offset: 1, time: 0 }])
    const listed = async (prefix: string) => (await logs.cursors(room('a'), prefix)).map((cursor) => cursor.name)
    assert.deepEqual(await listed(''), ['!', '__proto__', 'ack', 'ack:a', 'ack:b', 'read:a', 'é'])
    assert.deepEqual(await listed('ack:'), ['ack:a', 'ack:b'])
    assert.deepEqual(await listed('nothing'), [])
  })
}

export function trimConforms(check: Check): void {
  check('a trim removes a prefix, says so, and nothing else changes', async ({ logs }) => {
    const lobby = room('lobby')
    const sent = Array.from({ length: 10 }, (_, i) =>
      entry(lobby, `${i + 1}`, { thread: i % 2 === 0 ? 'even' : 'odd' }),
    )
    await logs.append(sent.map((each) => ({ entries: [each] })))
    await logs.move([{ log: lobby, name: 'anna', offset: 2, time: 0 }])
    await logs.trim(lobby, 5)
    const up = await logs.read(lobby, { after: 1, limit: 3 })
    assert.deepEqual(
      up.entries.map((each) => each.offset),
      [5, 6, 7],
    )
    assert.deepEqual(up.missing, [{ from: 2, to: 4, reason: 'trimmed' }])
    assert.deepEqual([up.state.first, up.state.head, up.state.counted], [5, 10, 10])
    const down = await logs.read(lobby, { before: 8, limit: 10 })
    assert.deepEqual(
      down.entries.map((each) => each.offset),
      [5, 6, 7],
    )
    assert.deepEqual([down.more, down.missing], [false, [{ from: 1, to: 4, reason: 'trimmed' }]])
    const thread = await logs.read(lobby, { before: 11, limit: 10, thread: 'odd' })
    assert.deepEqual(
      thread.entries.map((each) => each.offset),
      [6, 8, 10],
    )
    assert.equal(await logs.find(lobby, sent[0]?.id ?? ''), undefined)
    assert.equal(await logs.find(lobby, sent[4]?.id ?? ''), 5)
    assert.equal((await logs.cursors(lobby, '')).length, 1)
  })

  check('a trim never goes back, and may take everything', async ({ logs, reopen }) => {
    const lobby = room('lobby')
    await logs.append(Array.from({ length: 10 }, (_, i) => single(lobby, `${i + 1}`)))
    await logs.trim(lobby, 6)
    await logs.trim(lobby, 3)
    assert.equal((await logs.states([lobby]))[0]?.first, 6)
    await logs.trim(lobby, 1_000)
    const again = (await reopen?.()) ?? logs
    const [state] = await again.states([lobby])
    assert.deepEqual([state?.first, state?.head, state?.counted], [11, 10, 10])
    const page = await again.read(lobby, { after: 0, limit: 10 })
    assert.deepEqual([page.entries, page.missing], [[], [{ from: 1, to: 10, reason: 'trimmed' }]])
    const [next] = await again.append([single(lobby, 'next')])
    assert.deepEqual(next?.offsets, [11])
    await again.trim(room('unknown'), 100)
    assert.equal((await again.states([room('unknown')]))[0]?.first, 1)
  })
}
