import assert from 'node:assert/strict'
import test from 'node:test'
import { start } from '../testing/client.ts'
import { settled } from '../testing/world.ts'
import type { StateChange } from './line-terms.ts'

test('a silent server is asked whether it lives, and left when it says nothing', async (t) => {
  const { nitka, live, pass } = start(t, { pingMs: 20_000, pongMs: 5_000 })
  const seen: StateChange[] = []
  nitka.on('state', (change) => seen.push(change))
  const wire = await live()
  await pass(19_999)
  assert.deepEqual(wire.methods, ['session.hello'])
  await pass(1)
  assert.deepEqual(wire.methods, ['session.hello', 'session.ping'])
  await pass(4_999)
  assert.equal(nitka.state, 'live')
  await pass(1)
  assert.equal(nitka.state, 'waiting')
  assert.equal(seen.at(-1)?.error?.message, 'the server was silent')
  assert.equal(wire.closed, true)
})

test('a server that answers is asked again after the same silence', async (t) => {
  const { nitka, live, pass } = start(t)
  const wire = await live({ pingMs: 10_000 })
  for (let i = 1; i <= 5; i++) {
    await pass(10_000)
    assert.equal(wire.calls('session.ping').length, i)
    await pass(100)
    if (i % 2 === 0) wire.answer('session.ping')
    else wire.refuse('session.ping', 'internal')
  }
  assert.equal(nitka.state, 'live')
})

test('any text is a sign of life, before the question and in place of its answer', async (t) => {
  const { nitka, live, pass } = start(t, { pingMs: 10_000, pongMs: 5_000 })
  const wire = await live()
  for (let i = 0; i < 10; i++) {
    await pass(9_000)
    wire.notify('news', {})
  }
  assert.deepEqual(wire.methods, ['session.hello'])
  await pass(10_000)
  assert.equal(wire.calls('session.ping').length, 1)
  wire.notify('news', {})
  await pass(5_000)
  assert.equal(nitka.state, 'live')
  await pass(5_000)
  assert.equal(wire.calls('session.ping').length, 2)
})

test('a text that comes at the very moment of the question counts', async (t) => {
  const { nitka, live, pass } = start(t, { pingMs: 10_000, pongMs: 5_000 })
  const wire = await live()
  await pass(10_000)
  wire.notify('news', {})
  await pass(5_000)
  assert.equal(nitka.state, 'live')
})

test('it sleeps while it waits for the answer', async (t) => {
  const { live, pass, world } = start(t, { pingMs: 10_000, pongMs: 5_000 })
  await live()
  let timers = 0
  const after = world.after.bind(world)
  world.after = (ms, task) => {
    timers++
    return after(ms, task)
  }
  await pass(14_999)
  assert.ok(timers < 10, `${timers} timers`)
})

test('with pingMs 0 it never asks', async (t) => {
  const { nitka, live, pass } = start(t, { pingMs: 0 })
  const wire = await live()
  await pass(10_000_000)
  assert.deepEqual(wire.methods, ['session.hello'])
  assert.equal(nitka.state, 'live')
})

test('a timer that goes off a little early does not let a dead server live on', async (t) => {
  const { nitka, live, pass, world } = start(t, { pingMs: 10_000, pongMs: 5_000 })
  const after = world.after.bind(world)
  world.after = (ms, task) => after(ms - 0.4, task)
  await live()
  await pass(15_001)
  assert.equal(nitka.state, 'waiting')
})

/** A page that can be looked at. */
function page(t: test.TestContext) {
  const names = ['document', 'addEventListener', 'removeEventListener'] as const
  const before = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name))
  const [onPage, onDocument] = [new EventTarget(), new EventTarget()]
  const document = Object.assign(onDocument, { visibilityState: 'hidden' })
  Object.assign(globalThis, {
    document,
    addEventListener: onPage.addEventListener.bind(onPage),
    removeEventListener: onPage.removeEventListener.bind(onPage),
  })
  t.after(() => {
    names.forEach((name, i) => {
      const descriptor = before[i]
      if (descriptor === undefined) delete (globalThis as Record<string, unknown>)[name]
      else Object.defineProperty(globalThis, name, descriptor)
    })
  })
  return {
    online: () => onPage.dispatchEvent(new Event('online')),
    shown: (visibilityState: string) => {
      document.visibilityState = visibilityState
      onDocument.dispatchEvent(new Event('visibilitychange'))
    },
  }
}

test('a page that is seen again asks at once, and finds out within 3 s', async (t) => {
  const { shown } = page(t)
  const { nitka, live, pass } = start(t)
  const wire = await live()
  shown('hidden')
  assert.equal(wire.calls('session.ping').length, 0)
  shown('visible')
  assert.equal(wire.calls('session.ping').length, 1)
  wire.answer('session.ping')
  await settled()
  shown('visible')
  await pass(3_000)
  assert.equal(nitka.state, 'waiting')
})

test('a network that is back ends the wait for the next attempt', async (t) => {
  const { online } = page(t)
  const { nitka, server, live, world } = start(t)
  await live()
  world.usual = 1
  server.wire.end()
  assert.equal(nitka.state, 'waiting')
  online()
  assert.equal(nitka.state, 'connecting')
  online()
  assert.equal(server.wires.length, 2)
  await live()
  nitka.close()
  online()
  assert.equal(server.wires.length, 2)
})
