// Whether the tasks of a crew went as promised, by what the crew was told and by what is stored in the end.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { eventually } from './eventually.ts'
import { ask } from './server.ts'
import type { Attempt, TaskCrew } from './task-crew.ts'

/**
 * Waits until every task is done or dead, ends the crew, and judges it: what was added is there once, what was reported is done and
 * was never handed out again, and no task was with two at one time.
 * @param fresh a node that nobody used
 */
export async function judgeTasks(t: TestContext, crew: TaskCrew, fresh: { readonly url: string }): Promise<void> {
  await crew.enough()
  const left = async (): Promise<boolean> => {
    const [queue] = (await ask(fresh.url, 'GET', '/queues')).body.queues
    return queue !== undefined && queue.ready + queue.delayed + queue.leased === 0
  }
  await eventually(left, 'every task to be done or dead', 150_000)
  await crew.end()
  await assertStored(fresh.url, crew)
  assert.deepEqual(crew.violations, [])
  const { attempts, added, reported, vanished, streams, repeats } = crew
  const again = attempts.filter(({ number }) => number > 1).length
  const late = attempts.filter(({ start, deadline }) => start > deadline).length
  t.diagnostic(`${added.size} added, ${reported.size} reported, ${attempts.length} attempts, ${again} of them again`)
  t.diagnostic(`${late} came after the end of their lease; ${vanished} workers vanished, ${streams} streams`)
  t.diagnostic(`${repeats} requests repeated`)
  assert.ok(again > 0 && vanished > 0 && repeats > 0, 'there was harm')
  assertApart(attempts)
}

async function assertStored(url: string, { added, reported }: TaskCrew): Promise<void> {
  const states = new Map<string, string>()
  for (let after = ''; ; ) {
    const { body } = await ask(url, 'GET', `/tasks?limit=500${after}`)
    for (const { id, state } of body.tasks) states.set(id, state)
    if (body.next === null) break
    after = `&after=${body.next}`
  }
  assert.deepEqual(new Set(states.keys()), added, 'what was added, once, and nothing else')
  for (const [id, state] of states) assert.match(state, /^(done|dead)$/, id)
  for (const id of reported.keys()) assert.equal(states.get(id), 'done', id)
}

/** An attempt begins when the one before has ended, or when its lease is over: wall times of one machine, to a millisecond. */
function assertApart(attempts: readonly Attempt[]): void {
  const byTask = Map.groupBy(attempts, ({ id }) => id)
  for (const [id, tries] of byTask) {
    tries.sort((a, b) => a.number - b.number)
    for (const [i, next] of tries.slice(1).entries()) {
      const before = tries[i] as Attempt
      assert.ok(next.number > before.number, `attempt ${next.number} of ${id} was handed out twice`)
      const over = Math.min(before.end ?? Number.POSITIVE_INFINITY, before.deadline)
      assert.ok(next.start >= over - 1, `attempt ${next.number} of ${id} began ${over - next.start} ms too early`)
    }
  }
}
