import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { codeOf, start, watched } from '../testing/client.ts'
import { type FakeWire, Refusal } from '../testing/fake-wire.ts'
import { settled } from '../testing/world.ts'
import type { Inbox, InboxOptions } from './inbox.ts'

const message = (offset: number) => ({ fromUser: 1, toUser: 2, message: offset, id: `m${offset}`, time: '', offset })
const told = (wire: FakeWire, ...offsets: number[]) => {
  for (const offset of offsets) wire.notify('direct.message', message(offset))
}
const acks = (wire: FakeWire) => wire.calls('direct.ack').map(({ params }) => params.offset)

/** An inbox of which `pending` are not confirmed yet. */
async function opened(t: TestContext, options: InboxOptions = {}, pending: readonly number[] = []) {
  const started = start(t)
  const state = { pending }
  started.server.on('direct.ack', () => ({}))
  started.server.on('direct.resume', ({ since }) => {
    const head = state.pending.at(-1) ?? 0
    const position = { epoch: 'e', head, headId: head === 0 ? '' : `m${head}`, first: 1, read: 0, unread: 0 }
    const after = since?.offset ?? (state.pending[0] ?? head + 1) - 1
    const messages = state.pending.filter((offset) => offset > after).map(message)
    return { recovered: true, ...position, from: after, messages }
  })
  const wire = await started.live()
  const inbox = (await started.nitka.direct.open(options)) as Inbox<number>
  return { ...started, wire, inbox, state }
}

function heard(inbox: Inbox<number>) {
  const messages: unknown[] = []
  return { messages, off: inbox.on('message', (one) => messages.push(one.message)) }
}

test('an inbox begins with what this device has not confirmed, and goes on from there after a lost connection', async (t) => {
  const { inbox, wire, reconnect, state, nitka } = await opened(t, {}, [4, 5])
  const { messages } = heard(inbox)
  told(wire, 6, 7, 7)
  await settled()
  assert.deepEqual(wire.calls('direct.resume')[0]?.params, { pending: true })
  state.pending = [4, 5, 6, 7, 8]
  const next = await reconnect()
  assert.deepEqual(next.calls('direct.resume')[0]?.params, {
    since: { epoch: 'e', offset: 7, id: 'm7' },
    confirms: true,
  })
  assert.deepEqual(messages, [4, 5, 6, 7, 8])
  assert.equal(await nitka.direct.open(), inbox)
})

test('what a listener has come back from is confirmed, together', async (t) => {
  const { inbox, wire, pass } = await opened(t, {}, [1, 2])
  told(wire, 3)
  await pass(1_000)
  assert.deepEqual(acks(wire), [])
  heard(inbox)
  await pass(199)
  told(wire, 4)
  assert.deepEqual(acks(wire), [])
  await pass(1)
  assert.deepEqual(acks(wire), [4])
  await pass(10_000)
  assert.deepEqual(acks(wire), [4])
})

test('a loop gets what waited, and confirms what it has come back from, not what it has at hand', async (t) => {
  const { inbox, wire, pass } = await opened(t, {}, [1, 2])
  told(wire, 3)
  const loop = inbox.messages()
  const got = [(await loop.next()).value?.message, (await loop.next()).value?.message]
  await pass(200)
  assert.deepEqual([got, acks(wire)], [[1, 2], [1]])
  await loop.next()
  await pass(200)
  assert.deepEqual(acks(wire), [1, 2])
  await loop.return()
  await pass(200)
  assert.deepEqual(acks(wire), [1, 2])
})

test('what comes when no listener is left is not confirmed', async (t) => {
  const { inbox, wire, pass } = await opened(t)
  const first = heard(inbox)
  told(wire, 1)
  await settled()
  first.off()
  told(wire, 2)
  await pass(1_000)
  assert.deepEqual(acks(wire), [1])
  const second = heard(inbox)
  await settled()
  assert.deepEqual(second.messages, [2])
})

test('with manual confirmation only what the application confirms is', async (t) => {
  const { inbox, wire, pass } = await opened(t, { confirm: 'manual' })
  heard(inbox)
  told(wire, 1, 2, 3)
  await pass(1_000)
  assert.deepEqual(acks(wire), [])
  await inbox.confirm(2)
  assert.deepEqual(acks(wire), [2])
})

test('a confirmation outlasts a long time without a connection', async (t) => {
  const { inbox, wire, pass, server, live, world } = await opened(t)
  heard(inbox)
  told(wire, 1)
  await settled()
  wire.end()
  world.usual = 1
  await pass(60_000)
  if (server.wire.over) await pass(30_000)
  const next = await live()
  assert.deepEqual(acks(next), [1])
})

test('an inbox that is closed confirms what was handled, and another can be opened', async (t) => {
  const { inbox, wire, pass, nitka } = await opened(t)
  const closed: unknown[] = []
  inbox.on('closed', (event) => closed.push(event))
  const { messages } = heard(inbox)
  told(wire, 1, 2)
  await settled()
  inbox.close()
  inbox.close()
  assert.deepEqual(acks(wire), [2])
  told(wire, 3)
  await pass(1_000)
  assert.deepEqual([messages, acks(wire), closed], [[1, 2], [2], [{}]])
  assert.notEqual(await nitka.direct.open(), inbox)
})

test('closing the client ends the inbox and its loops, and leaves no timer, also with messages at hand', async (t) => {
  const { inbox, wire, nitka, world } = await opened(t)
  const loop = inbox.messages()
  const first = loop.next()
  told(wire, 1, 2, 3)
  await first
  nitka.close()
  assert.equal((await loop.next()).value?.message, 2)
  assert.equal((await loop.next()).value?.message, 3)
  assert.equal((await loop.next()).done, true)
  assert.equal(world.clock.waiting, 0)
  assert.equal(await codeOf(nitka.direct.open()), 'closed')
})

test('an inbox that is refused is an error, and later ends it', async (t) => {
  const { server, nitka, inbox, reconnect } = await opened(t)
  const loop = watched(inbox.messages().next())
  server.on('direct.resume', () => {
    throw new Refusal('unauthenticated')
  })
  await reconnect()
  assert.equal(loop.error.code, 'unauthenticated')
  assert.equal(await codeOf(nitka.direct.open()), 'unauthenticated')
})

test('missing messages are a gap, and markers are told', async (t) => {
  const { inbox, wire } = await opened(t)
  const seen: unknown[] = []
  inbox.on('gap', (gap) => seen.push(gap))
  inbox.on('read', (marker) => seen.push(marker))
  const { messages } = heard(inbox)
  const missing = [{ from: 2, to: 3, reason: 'damaged' }]
  told(wire, 1)
  wire.notify('session.missing', { log: 'user:ann', missing })
  told(wire, 4)
  wire.notify('direct.read', { read: 4, unread: 0 })
  await settled()
  assert.deepEqual(messages, [1, 4])
  assert.deepEqual(seen, [missing[0], { read: 4, unread: 0 }])
  assert.deepEqual(inbox.marker, { read: 4, unread: 0 })
})

test('after another past was told, what comes is confirmed again from its own offsets on', async (t) => {
  const { inbox, wire, pass, reconnect, server } = await opened(t)
  heard(inbox)
  told(wire, 1, 2, 3)
  await pass(200)
  assert.deepEqual(acks(wire), [3])
  const missing = [{ from: 1, to: 1, reason: 'history-changed' }]
  const past = { epoch: 'f', head: 1, headId: 'n1', first: 1, read: 0, unread: 0, messages: [] }
  server.on('direct.resume', () => ({ recovered: false, reason: 'history-changed', missing, ...past }))
  const next = await reconnect()
  told(next, 2)
  await pass(200)
  assert.deepEqual(acks(next), [2])
})

test('what was handled is confirmed before flush resolves, and with the goodbye', async (t) => {
  const { inbox, wire, nitka, server } = await opened(t)
  heard(inbox)
  told(wire, 1)
  server.answerers.delete('direct.ack')
  const flushed = watched(nitka.flush())
  await settled()
  assert.deepEqual([acks(wire), flushed.done], [[1], false])
  wire.answer('direct.ack')
  await settled()
  assert.equal(flushed.done, true)
  told(wire, 2)
  nitka.close()
  assert.deepEqual(acks(wire), [1, 2])
})
