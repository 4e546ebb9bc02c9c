// Nodes that ask each other over a bus that loses, repeats and is late.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { NitkaError } from '@nitka/protocol'
import fc from 'fast-check'
import { SimulatedClock } from '../../testing/clock.ts'
import type { Bus } from '../bus.ts'
import { InProcessHub } from '../engines/embedded/bus.ts'
import { Peers } from './peers.ts'

type Fate = 'deliver' | 'lose' | 'twice' | 'late'

/** Two nodes; `fate` decides what becomes of each message. */
function pair(t: Pick<TestContext, 'after'>, fate: () => Fate = () => 'deliver') {
  const clock = new SimulatedClock()
  const hub = new InProcessHub()
  const errors: unknown[] = []
  const late: (() => void)[] = []
  const gone = new Set<(node: string) => void>()
  const nodes = new Set(['one', 'two'])
  const open = (node: string): Peers => {
    const inner = hub.node()
    const publish = (subject: string, bytes: Uint8Array): void => {
      const kind = fate()
      if (kind === 'late') late.push(() => inner.publish(subject, bytes))
      else for (let i = kind === 'lose' ? 0 : kind === 'twice' ? 2 : 1; i > 0; i--) inner.publish(subject, bytes)
    }
    const bus: Bus = {
      ...{ alone: false, healthy: true, publish, close: () => inner.close() },
      subscribe: (subject, handler) => inner.subscribe(subject, handler),
    }
    const onGone = (told: (node: string) => void) => {
      gone.add(told)
      return () => gone.delete(told)
    }
    const peers = new Peers({ bus, clock, ownership: { node, nodes, onGone }, onError: (error) => errors.push(error) })
    t.after(() => peers.close())
    return peers
  }
  const turn = async (): Promise<void> => {
    for (let i = 0; i < 4; i++) {
      clock.turn()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const pass = async (ms: number): Promise<void> => {
    for (const deliver of late.splice(0)) deliver()
    clock.advance(ms)
    await turn()
  }
  const end = (node: string): void => {
    nodes.delete(node)
    for (const told of gone) told(node)
  }
  const back = (node: string): void => void nodes.add(node)
  return { one: open('one'), two: open('two'), clock, errors, turn, pass, end, back }
}

test('a question is answered, an error keeps its code and field, and an unknown one is refused', async (t) => {
  const { one, two, turn, errors } = pair(t)
  two.serve('double', (params) => (params as number) * 2)
  two.serve('refuse', () => {
    throw new NitkaError('invalid', 'no', { field: 'x' })
  })
  two.serve('break', async () => {
    throw new Error('a secret')
  })
  const calls = [21, 4].map((n) => one.call('two', 'double', n).answer)
  const refused = assert.rejects(one.call('two', 'refuse', null).answer, { code: 'invalid', message: 'no', field: 'x' })
  const broken = assert.rejects(one.call('two', 'break', null).answer, { code: 'internal', message: /^[^s]*$/ })
  const unknown = assert.rejects(one.call('two', 'what', null).answer, { code: 'not-found' })
  await turn()
  assert.deepEqual(await Promise.all(calls), [42, 8])
  await Promise.all([refused, broken, unknown])
  assert.equal(errors.length, 1)
  await turn()
  assert.deepEqual(
    [one.size, two.size],
    [
      { asked: 0, working: 0 },
      { asked: 0, working: 0 },
    ],
  )
})

test('values larger than a message of the bus go through, both ways', async (t) => {
  const { one, two, turn } = pair(t)
  two.serve('echo', (params) => params)
  const text = 'ü🦀'.repeat(700_000)
  const { answer } = one.call('two', 'echo', { text })
  await turn()
  assert.deepEqual(await answer, { text })
})

test('what is dropped is told so once, and a node that is gone drops what it asked and fails what it was asked', async (t) => {
  const { one, two, turn, end } = pair(t)
  let dropped = 0
  const begun: (() => void)[] = []
  two.serve('wait', (_params, asker) => {
    begun.push(() => asker.begun())
    asker.onDrop = () => dropped++
    return new Promise(() => undefined)
  })
  const calls = [1, 2, 3].map(() => one.call('two', 'wait', null))
  await turn()
  calls[0]?.drop()
  calls[0]?.drop()
  begun[1]?.()
  await turn()
  assert.deepEqual([dropped, calls.map((call) => call.begun)], [1, [false, true, false]])
  const failed = calls.slice(1).map(({ answer }) => assert.rejects(answer, { code: 'unavailable' }))
  end('two')
  await Promise.all(failed)
  await assert.rejects(one.call('two', 'wait', null).answer, { code: 'unavailable' })
  end('one')
  assert.deepEqual([dropped, two.size.working], [3, 0])
})

test('what had begun is not begun again by a node that took the one that asks for gone', async (t) => {
  const { one, two, turn, pass, end, back } = pair(t)
  const worked: number[] = []
  two.serve('wait', (params, asker) => {
    worked.push(params as number)
    if (params === 1) asker.begun()
    return worked.length > 2 ? 'done' : new Promise(() => undefined)
  })
  const calls = [1, 2].map((n) => one.call('two', 'wait', n))
  await turn()
  assert.deepEqual(worked, [1, 2])
  const lost = assert.rejects(calls[0]?.answer ?? Promise.resolve(), { code: 'unavailable', message: /unknown/ })
  end('one')
  back('one')
  for (let i = 0; i < 3; i++) await pass(1_000)
  await lost
  assert.equal(await calls[1]?.answer, 'done')
  assert.deepEqual(worked, [1, 2, 2])
})

test('whatever the bus does, each question is worked on once and answered once', async () => {
  const fates = fc.infiniteStream(
    fc.oneof({ arbitrary: fc.constant('deliver' as const), weight: 4 }, fc.constantFrom<Fate>('lose', 'twice', 'late')),
  )
  const steps = fc.array(fc.record({ slow: fc.boolean(), drop: fc.nat(6), ms: fc.constantFrom(0, 300, 1_100) }), {
    minLength: 1,
    maxLength: 40,
  })
  await fc.assert(
    fc.asyncProperty(fates, steps, async (stream, script) => {
      const ends: (() => void)[] = []
      let calm = false
      const fate = (): Fate => (calm ? 'deliver' : (stream.next().value ?? 'deliver'))
      const { one, two, pass } = pair(
        { after: (end) => void ends.push(() => void end?.(undefined as never, () => undefined)) },
        fate,
      )
      const worked: number[] = []
      two.serve('work', async (params, asker) => {
        const { n, slow } = params as { n: number; slow: boolean }
        worked.push(n)
        asker.begun()
        if (slow) await new Promise((resolve) => setImmediate(resolve))
        return n + 1_000
      })
      const answers = new Map<number, unknown>()
      const wanted = new Set<number>()
      for (const [n, { slow, drop, ms }] of script.entries()) {
        const call = one.call('two', 'work', { n, slow })
        wanted.add(n)
        call.answer.then(
          (value) => {
            assert.ok(!answers.has(n))
            answers.set(n, value)
          },
          (error) => answers.set(n, error),
        )
        if (drop === 0) {
          call.drop()
          wanted.delete(n)
        }
        await pass(ms)
      }
      calm = true
      for (let i = 0; i < 12; i++) await pass(1_000)
      assert.equal(new Set(worked).size, worked.length)
      for (const n of wanted) assert.equal(answers.get(n), n + 1_000)
      assert.deepEqual([one.size.asked, two.size.working], [0, 0])
      for (const end of ends) end()
    }),
    { numRuns: 300 },
  )
})
