import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { start, watched } from '../testing/client.ts'
import { Refusal } from '../testing/fake-wire.ts'
import { FakeLog } from '../testing/log.ts'
import { settled } from '../testing/world.ts'
import type { Room } from './room.ts'

async function joined(t: TestContext, past = 0, since?: number) {
  const started = start(t)
  const log = new FakeLog(started.server, past)
  const wire = await started.live()
  const options = since === undefined ? {} : { since: { epoch: 'e1', offset: since } }
  const room = (await started.nitka.rooms.join('tea', options)) as Room<number>
  return { ...started, log, wire, room }
}

const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

function heard(room: Room<number>) {
  const messages: number[] = []
  return { messages, off: room.on('message', ({ message }) => messages.push(message)) }
}

async function taken(loop: AsyncGenerator<{ message: number }>, count: number): Promise<number[]> {
  const got: number[] = []
  for (let i = 0; i < count; i++) got.push((await loop.next()).value?.message as number)
  return got
}

test('messages wait until somebody listens', async (t) => {
  const { log, wire, room } = await joined(t)
  for (let i = 0; i < 5; i++) log.tell(wire)
  const { messages } = heard(room)
  await settled()
  assert.deepEqual(messages, [1, 2, 3, 4, 5])
})

test('messages wait for a loop, too: what came with the join is not passed over', async (t) => {
  const { log, wire, room } = await joined(t, 5, 2)
  log.tell(wire)
  assert.deepEqual(await taken(room.messages(), 4), [3, 4, 5, 6])
})

test('more than 1,000 that waited come from history', async (t) => {
  const { log, wire, room } = await joined(t)
  for (let i = 0; i < 1_700; i++) log.tell(wire)
  const { messages } = heard(room)
  for (let i = 0; i < 10; i++) await settled()
  assert.deepEqual(messages, upTo(1, 1_700))
  assert.equal(wire.calls('rooms.history')[0]?.params.after, 1_000)
  log.tell(wire)
  await settled()
  assert.equal(messages.at(-1), 1_701)
})

test('messages wait while no listener is left, for the next one', async (t) => {
  const { log, wire, room } = await joined(t)
  const first = heard(room)
  log.tell(wire)
  await settled()
  first.off()
  log.tell(wire)
  await settled()
  log.tell(wire)
  const second = heard(room)
  await settled()
  log.tell(wire)
  await settled()
  assert.deepEqual(first.messages, [1])
  assert.deepEqual(second.messages, [2, 3, 4])
})

test('a listener that takes itself off gets nothing more, and the next one what follows', async (t) => {
  const { log, wire, room } = await joined(t)
  const once: number[] = []
  const off = room.on('message', ({ message }) => {
    once.push(message)
    off()
  })
  for (let i = 0; i < 3; i++) log.tell(wire)
  await settled()
  assert.deepEqual(once, [1])
  const { messages } = heard(room)
  await settled()
  assert.deepEqual(messages, [2, 3])
})

test('a slow loop reads the history, and misses nothing', async (t) => {
  const { log, wire, room } = await joined(t)
  const loop = room.messages()
  log.tell(wire)
  const got = await taken(loop, 1)
  for (let i = 0; i < 1_500; i++) log.tell(wire)
  got.push(...(await taken(loop, 1_400)))
  log.tell(wire)
  got.push(...(await taken(loop, 101)))
  assert.deepEqual(got, upTo(1, 1_502))
})

test('two loops and a listener go each at its own pace, and a loop may begin in the past', async (t) => {
  const { log, wire, room } = await joined(t, 300)
  const { messages } = heard(room)
  const old = room.messages({ since: 10 })
  assert.deepEqual(await taken(old, 5), upTo(11, 15))
  log.tell(wire)
  assert.deepEqual(await taken(old, 286), upTo(16, 301))
  assert.deepEqual(messages, [301])
})

test('a loop that begins in the future waits for it', async (t) => {
  const { log, wire, room } = await joined(t, 3)
  const next = watched(room.messages({ since: 5 }).next())
  await settled()
  log.tell(wire)
  log.tell(wire)
  await settled()
  assert.equal(next.done, false)
  log.tell(wire)
  await settled()
  assert.deepEqual(next.value?.value, log.entries.at(-1))
})

test('a message that comes while a page is read is neither lost nor doubled', async (t) => {
  for (const order of ['in the page, told after it', 'in the page, told before it', 'not in the page']) {
    const { log, wire, room, server } = await joined(t, 3)
    server.answerers.delete('rooms.history')
    const loop = room.messages({ since: 1 })
    const first = loop.next()
    await settled()
    const { params } = wire.next('rooms.history')
    const before = log.history(params)
    const entry = log.add()
    const after = log.history(params)
    if (order === 'in the page, told before it') wire.notify('rooms.message', entry)
    wire.answer('rooms.history', order === 'not in the page' ? before : after)
    await settled()
    if (order !== 'in the page, told before it') wire.notify('rooms.message', entry)
    server.on('rooms.history', (wish) => log.history(wish))
    log.tell(wire)
    const got = [(await first).value?.message, ...(await taken(loop, 3))]
    assert.deepEqual(got, [2, 3, 4, 5], order)
    await loop.return()
  }
})

test('what is lost in the history does not stop a loop, however much it is', async (t) => {
  const { log, room, server } = await joined(t, 20)
  log.lose(5, 15)
  server.on('rooms.history', ({ after }) => {
    if (after < 4) return { messages: log.entries.slice(after, 4), next: 4 }
    if (after === 4) return { messages: [], next: 15 }
    return { messages: log.after(after), next: null }
  })
  assert.deepEqual(await taken(room.messages({ since: 2 }), 7), [3, 4, ...upTo(16, 20)])
})

test('a loop ends with its signal, also while it reads the history, and with the room', async (t) => {
  const { room, server } = await joined(t, 20)
  server.answerers.delete('rooms.history')
  const stop = new AbortController()
  const reading = watched(room.messages({ since: 2, signal: stop.signal }).next())
  const waiting = watched(room.messages({ signal: stop.signal }).next())
  const left = watched(room.messages().next())
  await settled()
  stop.abort()
  await settled()
  assert.equal(reading.value?.done, true)
  assert.equal(waiting.value?.done, true)
  assert.equal(left.done, false)
  room.leave()
  await settled()
  assert.equal(left.value?.done, true)
})

test('a history that cannot be read now is read later', async (t) => {
  const { room, server, pass, log, wire } = await joined(t)
  server.on('rooms.history', () => {
    throw new Refusal('overloaded')
  })
  for (let i = 0; i < 1_001; i++) log.tell(wire)
  const { messages } = heard(room)
  await settled()
  assert.equal(messages.length, 1_000)
  server.on('rooms.history', (wish) => log.history(wish))
  await pass(1_000)
  assert.deepEqual(messages, upTo(1, 1_001))
})

test('a room that is left while its history is to be read later leaves no timer', async (t) => {
  const { room, server, log, wire } = await joined(t)
  server.on('rooms.history', () => {
    throw new Refusal('overloaded')
  })
  for (let i = 0; i < 1_001; i++) log.tell(wire)
  heard(room)
  await settled()
})

test('listeners hear what comes after a history that cannot be read', async (t) => {
  const { room, server, log, wire, errors } = await joined(t)
  server.on('rooms.history', () => {
    throw new Refusal('damaged')
  })
  for (let i = 0; i < 1_005; i++) log.tell(wire)
  const { messages } = heard(room)
  await settled()
  await settled()
  log.tell(wire)
  await settled()
  assert.equal(messages.at(-1), 1_006)
  assert.equal((errors[0] as { code: string }).code, 'damaged')
})

test('a listener that throws or rejects is told to onError, and hurts neither the others nor the connection', async (t) => {
  const { room, log, wire, nitka, errors } = await joined(t)
  const failure = new Error('mine')
  room.on('message', () => {
    throw failure
  })
  room.on('message', async () => {
    throw failure
  })
  const { messages } = heard(room)
  log.tell(wire)
  log.tell(wire)
  await settled()
  assert.deepEqual(messages, [1, 2])
  assert.deepEqual(errors, [failure, failure, failure, failure])
  assert.equal(nitka.state, 'live')
})

test('a loop can be left, or thrown into, while it waits, and others go on', async (t) => {
  const { log, wire, room } = await joined(t)
  const { messages } = heard(room)
  for (const leave of ['return', 'throw'] as const) {
    const loop = room.messages()
    const next = watched(loop.next())
    await settled()
    const left = watched(leave === 'return' ? loop.return() : loop.throw(new Error('enough')))
    await settled()
    assert.deepEqual([next.value?.done, left.done], [true, true], leave)
    log.tell(wire)
    assert.equal((await loop.next()).done, true)
  }
  assert.deepEqual(messages, [1, 2])
})

test('a loop that reads the log while there is no connection can be left, and ends with its room', async (t) => {
  const { log, wire, room } = await joined(t)
  log.tell(wire)
  wire.end()
  const [loop, other] = [room.messages({ since: 0 }), room.messages({ since: 0 })]
  const [next, last] = [watched(loop.next()), watched(other.next())]
  await settled()
  const left = watched(loop.return())
  await settled()
  assert.deepEqual([next.value?.done, left.done, last.done], [true, true, false])
  room.leave()
  await settled()
  assert.equal(last.value?.done, true)
})
