import assert from 'node:assert/strict'
import test from 'node:test'
import { settled } from '../testing/world.ts'
import { Emitter, harmless } from './emitter.ts'

test('each listener is called, in order, and taken off alone', () => {
  const emitter = new Emitter<{ a: number }>(() => assert.fail())
  const seen: number[] = []
  const listener = (value: number) => void seen.push(value)
  const off = emitter.on('a', listener)
  emitter.on('a', listener)
  emitter.emit('a', 1)
  off()
  off()
  emitter.emit('a', 2)
  assert.deepEqual(seen, [1, 1, 2])
  assert.equal(emitter.count('a'), 1)
})

test('a listener that throws or rejects is told, and the others are called', async () => {
  const errors: unknown[] = []
  const emitter = new Emitter<{ a: number }>((error) => errors.push(error))
  const seen: number[] = []
  emitter.on('a', () => {
    throw 'thrown'
  })
  emitter.on('a', async () => {
    throw 'rejected'
  })
  emitter.on('a', (value) => seen.push(value))
  emitter.emit('a', 1)
  await settled()
  assert.deepEqual([errors, seen], [['thrown', 'rejected'], [1]])
})

test('listeners may come and go while others are called', () => {
  const emitter = new Emitter<{ a: number }>(() => assert.fail())
  const seen: string[] = []
  const off = emitter.on('a', () => {
    off()
    seen.push('first')
    emitter.on('a', () => seen.push('late'))
  })
  emitter.on('a', () => seen.push('second'))
  emitter.emit('a', 1)
  assert.deepEqual(seen, ['first', 'second'])
})

test('what onError throws itself is for the platform, and disturbs nobody here', (t) => {
  const later: (() => void)[] = []
  t.mock.method(globalThis, 'queueMicrotask', (task: () => void) => void later.push(task))
  const onError = harmless(() => {
    throw new Error('the log is full')
  })
  onError('something')
  assert.throws(() => later[0]?.(), /the log is full/)
})

test('an error that the event would tell goes to onError when nobody listens', () => {
  const errors: unknown[] = []
  const emitter = new Emitter<{ over: object }>((error) => errors.push(error))
  emitter.unheard('over', 'first')
  emitter.on('over', () => undefined)
  emitter.unheard('over', 'second')
  assert.deepEqual(errors, ['first'])
})
