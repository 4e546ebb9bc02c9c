// A yes that holds for a moment: how often the directory is asked, and when it must be asked again.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../testing/clock.ts'
import { replacing } from '../../testing/late.ts'
import { Membership } from './membership.ts'
import type { RoomDirectory } from './room-directory.ts'

const room = { id: 'tea', name: 'Tea', open: false, creator: 'ann', time: 1 }

function open(keptMs: number) {
  const clock = new SimulatedClock()
  const members = new Set(['ann', 'bert'])
  const state = { asked: 0, slow: undefined as Promise<void> | undefined }
  const directory = replacing({} as RoomDirectory, {
    async membership(id, user) {
      state.asked++
      const answer = id === 'tea' ? { room, member: members.has(user) } : undefined
      await state.slow
      return answer
    },
  })
  return { clock, members, state, membership: new Membership(directory, clock, keptMs) }
}

test('a yes holds for its time, and then is asked for again', async () => {
  const { clock, members, state, membership } = open(1_000)
  for (let i = 0; i < 5; i++) assert.equal(await membership.demand('bert', 'tea'), room)
  assert.equal(state.asked, 1)
  members.delete('bert')
  clock.advance(999)
  await membership.demand('bert', 'tea')
  clock.advance(1)
  await assert.rejects(membership.demand('bert', 'tea'), { code: 'forbidden' })
})

test('a no is asked for each time, and so is everything where nobody else writes', async () => {
  const kept = open(1_000)
  for (let i = 0; i < 3; i++) await assert.rejects(kept.membership.demand('cleo', 'tea'), { code: 'forbidden' })
  await assert.rejects(kept.membership.demand('bert', 'none'), { code: 'not-found' })
  assert.equal(kept.state.asked, 4)
  const alone = open(0)
  for (let i = 0; i < 3; i++) await alone.membership.demand('bert', 'tea')
  assert.equal(alone.state.asked, 3)
})

test('who was removed here is refused at once, also when a yes was under way', async () => {
  const { members, state, membership } = open(1_000)
  await membership.demand('bert', 'tea')
  members.delete('bert')
  membership.forget('tea', 'bert')
  await assert.rejects(membership.demand('bert', 'tea'), { code: 'forbidden' })
  const answered = Promise.withResolvers<void>()
  state.slow = answered.promise
  const under = membership.demand('ann', 'tea')
  members.delete('ann')
  membership.forget('tea', 'ann')
  answered.resolve()
  await under
  await assert.rejects(membership.demand('ann', 'tea'), { code: 'forbidden' })
})

test('callers that ask at once share an answer, so what they do after it is in their order', async () => {
  const { state, membership } = open(0)
  const order: number[] = []
  await Promise.all([1, 2, 3].map((i) => membership.demand('ann', 'tea').then(() => order.push(i))))
  assert.deepEqual([state.asked, order], [1, [1, 2, 3]])
})

test('what does not hold any more is not kept', async () => {
  const { clock, state, membership } = open(1_000)
  await membership.demand('ann', 'tea')
  clock.advance(1_000)
  membership.sweep()
  await membership.demand('ann', 'tea')
  assert.equal(state.asked, 2)
})
