import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../testing/clock.ts'
import { Pulse } from './pulse.ts'

function open(pulseMs = 2) {
  const clock = new SimulatedClock()
  const pulse = new Pulse(clock, pulseMs)
  const beats: string[] = []
  const beat = (name: string) => ({ beat: () => void beats.push(`${name}@${clock.monotonic()}`) })
  return { clock, pulse, beats, beat }
}

test('what comes on a quiet server leaves at the end of the turn, without waiting', () => {
  const { clock, pulse, beats, beat } = open()
  clock.advance(100)
  pulse.addOutbox(beat('a'))
  assert.deepEqual(beats, [])
  clock.turn()
  assert.deepEqual(beats, ['a@100'])
})

test('what comes on a busy server leaves together, at most a pulse after the last', () => {
  const { clock, pulse, beats, beat } = open()
  pulse.addOutbox(beat('a'))
  clock.turn()
  clock.advance(0.5)
  pulse.addOutbox(beat('b'))
  clock.advance(0.5)
  pulse.addOutbox(beat('c'))
  clock.advance(0.9)
  assert.deepEqual(beats, ['a@0'])
  clock.advance(0.1)
  assert.deepEqual(beats, ['a@0', 'b@2', 'c@2'])
  assert.equal(pulse.count, 2)
})

test('channels are joined before outboxes are written, whoever asked first', () => {
  const { clock, pulse, beats, beat } = open()
  pulse.addOutbox(beat('outbox'))
  pulse.addChannel({
    beat: () => {
      beats.push('channel')
      pulse.addOutbox(beat('filled by the channel'))
    },
  })
  clock.turn()
  assert.deepEqual(beats, ['channel', 'outbox@0', 'filled by the channel@0'])
  assert.equal(clock.waiting, 0)
})

test('a channel that another channel fills is not forgotten', () => {
  const { clock, pulse, beats, beat } = open()
  pulse.addChannel({ beat: () => pulse.addChannel(beat('second')) })
  clock.turn()
  clock.advance(2)
  assert.deepEqual(beats, ['second@2'])
})

test('messages 3 ms apart never wait for a pulse of 2 ms', () => {
  const { clock, pulse, beats, beat } = open()
  for (let i = 0; i < 3; i++) {
    pulse.addChannel({ beat: () => pulse.addOutbox(beat('outbox')) })
    clock.turn()
    clock.advance(3)
  }
  assert.deepEqual(beats, ['outbox@0', 'outbox@3', 'outbox@6'])
  assert.equal(pulse.count, 3)
})

test('a forced pulse runs at once, and what it wrote is not written again', () => {
  const { clock, pulse, beats, beat } = open()
  pulse.addOutbox(beat('a'))
  clock.turn()
  pulse.addOutbox(beat('b'))
  pulse.beatNow()
  assert.deepEqual(beats, ['a@0', 'b@0'])
  clock.advance(10)
  assert.deepEqual(beats, ['a@0', 'b@0'])
  assert.equal(pulse.count, 2)
})

test('what an outbox queues while it is written waits for the next pulse', () => {
  const { clock, pulse, beats, beat } = open()
  pulse.addOutbox({ beat: () => pulse.addOutbox(beat('next')) })
  clock.turn()
  assert.deepEqual(beats, [])
  clock.advance(2)
  assert.deepEqual(beats, ['next@2'])
})

test('a pulse of 0 ms writes at the end of every turn', () => {
  const { clock, pulse, beats, beat } = open(0)
  for (const name of ['a', 'b', 'c']) {
    pulse.addOutbox(beat(name))
    clock.turn()
  }
  assert.deepEqual(beats, ['a@0', 'b@0', 'c@0'])
})
