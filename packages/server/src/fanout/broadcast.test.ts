import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../testing/clock.ts'
import { type Batch, Broadcast, type Listener } from './broadcast.ts'
import { Pulse } from './pulse.ts'
import type { Encoder } from './recipient.ts'

/** One byte more than the text is long: `mark` begins each message. */
function encoder(mark: string): Encoder<string> & { calls: number } {
  return {
    calls: 0,
    encode(messages) {
      this.calls++
      const ends: number[] = []
      let text = ''
      for (const message of messages) {
        text += mark + message
        ends.push(text.length)
      }
      return { bytes: Buffer.from(text), ends }
    },
  }
}

class Ear implements Listener<string> {
  readonly encoder: Encoder<string>
  readonly heard: string[] = []
  onTake: ((batch: Batch<string>) => void) | undefined

  constructor(encoder: Encoder<string>) {
    this.encoder = encoder
  }

  take(batch: Batch<string>): void {
    batch.around(this, (bytes) => void this.heard.push(bytes.toString()))
    this.onTake?.(batch)
  }
}

function open() {
  const clock = new SimulatedClock()
  const broadcast = new Broadcast<string>(new Pulse(clock, 2))
  const plain = encoder('.')
  const join = (encoding: Encoder<string> = plain) => {
    const ear = new Ear(encoding)
    broadcast.add(ear)
    return ear
  }
  return { clock, broadcast, plain, join }
}

test('messages of one pulse reach every listener joined, and are encoded once for each encoding', () => {
  const { clock, broadcast, plain, join } = open()
  const [a, b] = [join(), join()]
  const other = encoder('!')
  const c = join(other)
  for (const message of ['one', 'two']) broadcast.publish(message, 3)
  clock.turn()
  assert.deepEqual([a.heard, b.heard, c.heard], [['.one.two'], ['.one.two'], ['!one!two']])
  assert.deepEqual([plain.calls, other.calls], [1, 1])
})

test('a sender gets what stands around its own messages, in order, wherever they stand', () => {
  for (const pattern of ['a', 'ab', 'ba', 'aba', 'bab', 'aabb', 'bbaab', 'abbba', 'bb', 'aaa']) {
    const { clock, broadcast, join } = open()
    const ears = { a: join(), b: join(), c: join() }
    const sent = [...pattern].map((who, index) => ({ who: who as 'a' | 'b', text: `${who}${index}` }))
    for (const { who, text } of sent) broadcast.publish(text, 2, ears[who])
    clock.turn()
    for (const [who, ear] of Object.entries(ears)) {
      const others = sent.filter((one) => one.who !== who).map(({ text }) => `.${text}`)
      assert.equal(ear.heard.join(''), others.join(''), `${pattern}, to ${who}`)
    }
  }
})

test('a listener is told how many messages it got besides its own', () => {
  const { clock, broadcast, join } = open()
  const [a, b] = [join(), join()]
  const counts: number[] = []
  a.onTake = (batch) => void counts.push(batch.around(a, () => undefined))
  b.onTake = (batch) => void counts.push(batch.around(b, () => undefined))
  for (const from of [a, b, b, undefined]) broadcast.publish('x', 1, from)
  clock.turn()
  assert.deepEqual(counts.sort(), [2, 3])
})

test('who joins between a message and its pulse does not get it', () => {
  const { clock, broadcast, join } = open()
  const a = join()
  broadcast.publish('before', 6)
  const late = join()
  broadcast.publish('after', 5)
  clock.advance(2)
  assert.deepEqual(late.heard.join(''), '.after')
  assert.deepEqual(a.heard.join(''), '.before.after')
})

test('a listener that leaves while it takes takes nothing more, and nobody else misses or repeats anything', () => {
  for (const leaver of [0, 1, 2]) {
    const { clock, broadcast, join } = open()
    const ears = [join(), join(), join()]
    ears[leaver]!.onTake = () => broadcast.remove(ears[leaver]!)
    broadcast.publish('one', 3)
    clock.advance(2)
    broadcast.publish('two', 3)
    clock.advance(2)
    ears.forEach((ear, index) => {
      assert.equal(ear.heard.join(''), index === leaver ? '.one' : '.one.two', `${leaver} leaves, ${index} hears`)
    })
    assert.equal(broadcast.size, 2)
  }
})

test('leaving twice counts once, and an empty channel takes nothing', () => {
  const { clock, broadcast, plain, join } = open()
  const [a, b] = [join(), join()]
  broadcast.remove(a)
  broadcast.remove(a)
  assert.equal(broadcast.size, 1)
  broadcast.remove(b)
  broadcast.publish('nobody hears', 12)
  clock.advance(2)
  assert.equal(plain.calls, 0)
  assert.equal(clock.waiting, 0)
})

test('a channel that gathered 256 KiB is written without waiting for the pulse', () => {
  const { clock, broadcast, join } = open()
  const a = join()
  broadcast.publish('first', 5)
  clock.turn()
  for (let i = 0; i < 3; i++) broadcast.publish(`${i}`, 64 * 1024)
  assert.equal(a.heard.join(''), '.first')
  broadcast.publish('3', 64 * 1024)
  assert.equal(a.heard.join(''), '.first.0.1.2.3')
})

test('a message that is kept keeps no other message of its pulse in memory', () => {
  const { clock, broadcast, join } = open()
  const a = join()
  const copies: Uint8Array[] = []
  a.onTake = (batch) => void copies.push(batch.copyOf(1), batch.copyOf(1))
  for (const message of ['x'.repeat(100_000), 'kept', 'y'.repeat(100_000)]) broadcast.publish(message, message.length)
  clock.turn()
  assert.equal(Buffer.from(copies[0]!).toString(), '.kept')
  assert.equal(copies[0], copies[1], 'copied once for all')
  assert.ok(copies[0]!.buffer.byteLength === '.kept'.length, `keeps ${copies[0]!.buffer.byteLength} bytes`)
})
