import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bench } from '../../testing/wire.ts'
import type { Bus } from '../bus.ts'
import type { Encoder } from '../fanout/recipient.ts'
import { webSocketFraming } from '../transports/websocket-framing.ts'
import type { PoolLimits } from './pool.ts'
import { Relay, type RelayMessage } from './relay.ts'

const encoder: Encoder<RelayMessage> = { encode: (messages) => webSocketFraming.payloads(messages) }
const limits: PoolLimits = { messagesMax: 1_024, bytesMax: 2 ** 20, retryMs: 100, attemptsMax: 50 }

/** The wire between this node and one other, which the test plays. */
class OtherNode implements Bus {
  readonly alone: boolean
  readonly healthy = true
  readonly heard: [string, Uint8Array][] = []
  readonly handlers = new Map<string, (bytes: Uint8Array) => void>()

  constructor(alone: boolean) {
    this.alone = alone
  }

  publish(subject: string, bytes: Uint8Array): void {
    this.heard.push([subject, bytes])
  }

  subscribe(subject: string, handler: (bytes: Uint8Array) => void) {
    this.handlers.set(subject, handler)
    return { cancel: () => void this.handlers.delete(subject) }
  }

  async close(): Promise<void> {}
}

function open(wishes: Partial<PoolLimits> = {}, alone = true) {
  const bench = new Bench()
  const bus = new OtherNode(alone)
  const relay = new Relay({ bus, pulse: bench.pulse, clock: bench.clock }, { ...limits, ...wishes })
  const join = (channel = 'tea') => {
    const { session, wire } = bench.open()
    const member = relay.join(channel, session, encoder)
    const say = (text: string) => relay.publish(channel, Buffer.from(text), false, member)
    return { member, wire, say, leave: () => relay.leave(member) }
  }
  return { clock: bench.clock, bus, relay, join }
}

/** Makes the socket of a client say that it is behind. */
function stall(
  { wire }: { wire: { reading: boolean } },
  say: (text: string) => void,
  clock: { advance(ms: number): void },
) {
  wire.reading = false
  say('x'.repeat(64 * 1024))
  clock.advance(2)
}

test('a client that does not read is later given what others said, and never what it said itself', () => {
  const { clock, relay, join } = open()
  const [slow, other] = [join(), join()]
  stall(slow, other.say, clock)
  for (const round of [1, 2, 3]) {
    other.say(`other ${round}`)
    slow.say(`slow ${round}`)
    clock.advance(2)
  }
  assert.equal(relay.waiting().messages, 3)
  slow.wire.reading = true
  slow.wire.read()
  clock.advance(10)
  assert.deepEqual(slow.wire.texts.slice(1), ['other 1', 'other 2', 'other 3'])
  assert.deepEqual(other.wire.texts, ['slow 1', 'slow 2', 'slow 3'])
  assert.deepEqual([relay.published, relay.delivered, relay.waiting().messages], [7, 7, 0])
})

test('what is said while a client still catches up waits behind what it has not got', () => {
  const { clock, join } = open()
  const [slow, other] = [join(), join()]
  stall(slow, other.say, clock)
  for (let i = 0; i < 20; i++) other.say(`${i}`.padEnd(10_000))
  clock.advance(2)
  slow.wire.reading = true
  slow.wire.read()
  // The drain hands over a part; the next messages come before the rest has gone.
  for (let i = 20; i < 40; i++) {
    other.say(`${i}`.padEnd(10_000))
    clock.turn()
  }
  clock.advance(1_000)
  assert.deepEqual(
    slow.wire.texts.slice(1).map(Number),
    Array.from({ length: 40 }, (_, i) => i),
  )
})

test('a stalled client delays nobody else', () => {
  const { clock, join } = open()
  const [slow, other, third] = [join(), join(), join()]
  stall(slow, other.say, clock)
  clock.advance(100)
  other.say('now')
  clock.turn()
  assert.equal(third.wire.texts.at(-1), 'now')
})

test('drops are told with their time, channel, client and rule, the oldest first, the latest 1,024', () => {
  const { clock, relay, join } = open({ messagesMax: 1 })
  const [slow, other] = [join('tea'), join('tea')]
  stall(slow, other.say, clock)
  for (let i = 0; i < 1_101; i++) {
    other.say(`${i}`)
    clock.advance(2)
  }
  const drops = relay.drops('tea')
  assert.equal(drops.length, 1_024)
  assert.equal(relay.dropped['pool-messages'], 1_100)
  assert.ok(drops.every(({ time }, i) => i === 0 || time > drops[i - 1]!.time))
  const { time, ...last } = drops.at(-1)!
  assert.deepEqual(last, { channel: 'tea', user: 'anna', connection: 's1', rule: 'pool-messages', count: 1 })
  assert.ok(time <= clock.now())
  assert.deepEqual(relay.drops('coffee'), [])
  slow.leave()
  slow.leave()
  assert.deepEqual([relay.drops().at(-1)?.rule, relay.dropped.left], ['left', 1])
})

test('clients on other nodes hear and are heard, with the opcode kept, and nobody hears themselves', () => {
  const { clock, bus, relay, join } = open({}, false)
  const [a, b] = [join('tea time'), join('tea time')]
  a.say('hello')
  relay.publish('tea time', Uint8Array.of(0, 255), true, a.member)
  clock.advance(2)
  const [subject] = [...bus.handlers.keys()]
  assert.match(subject!, /^relay\.[A-Za-z0-9_-]+$/)
  assert.deepEqual(
    bus.heard.map(([to, bytes]) => [to, ...bytes]),
    [[subject, ...[0, 0, 0, 5], 0, ...Buffer.from('hello'), ...[0, 0, 0, 2], 1, 0, 255]],
    'one message of the bus for all that a pulse brought',
  )
  bus.handlers.get(subject!)!(Uint8Array.of(0, 0, 0, 2, 1, 7, 8, 0, 0, 0, 1, 0, 97))
  clock.advance(2)
  assert.deepEqual(
    a.wire.frames.map(({ opcode, payload }) => [opcode, ...payload]),
    [
      [2, 7, 8],
      [1, 97],
    ],
  )
  assert.equal(b.wire.frames.length, 4)
  assert.equal(bus.heard.length, 1, 'what came from another node is not sent back')
  a.leave()
  assert.equal(bus.handlers.size, 1)
  b.leave()
  assert.deepEqual([bus.handlers.size, relay.channels], [0, 0])
})

test('a node that is alone says nothing to a bus', () => {
  const { bus, join } = open()
  join().say('hello')
  assert.deepEqual(bus.heard, [])
})

test('what other nodes get is in order, in messages that a bus takes, and what no message can hold is counted', () => {
  const { clock, bus, relay, join } = open({}, false)
  const member = join()
  const sent = Array.from({ length: 20 }, (_, i) => `${i}:${'x'.repeat(60_000)}`)
  for (const text of sent) member.say(text)
  member.say('y'.repeat(2 ** 20))
  member.say('last')
  clock.advance(2)
  assert.ok(bus.heard.length >= 3)
  for (const [, bytes] of bus.heard) assert.ok(bytes.length <= 512 * 1024, `${bytes.length} bytes`)
  const other = open({}, false)
  const listener = other.join()
  for (const [subject, bytes] of bus.heard) other.bus.handlers.get(subject)!(bytes)
  other.clock.advance(2)
  assert.deepEqual(listener.wire.texts, [...sent, 'last'])
  assert.equal(relay.dropped['too-large-for-bus'], 1)
  assert.deepEqual(
    relay.drops().map(({ rule, count }) => [rule, count]),
    [['too-large-for-bus', 1]],
  )
})

test('a message of the bus that is cut off gives what is whole, and is counted', () => {
  const { clock, bus, relay, join } = open({}, false)
  const { wire } = join()
  const [handler] = [...bus.handlers.values()]
  const whole = Uint8Array.of(0, 0, 0, 1, 0, 97, 0, 0, 0, 2, 0, 98, 99)
  for (let end = 1; end <= whole.length; end++) handler!(whole.slice(0, end))
  clock.advance(2)
  assert.deepEqual(wire.texts, [...Array.from({ length: 8 }, () => 'a'), 'bc'])
  assert.equal(relay.exchange.counts.damaged, whole.length - 2)
})
