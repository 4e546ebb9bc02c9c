// What only tasks in Postgres have: forgetting, bounds and time as the database has them, its functions, one statement for all.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { IdSource } from '@nitka/protocol'
import fc from 'fast-check'
import { frozen, task } from '../../../testing/cluster-tasks.ts'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import { backoffMs, judge } from '../../tasks/rules.ts'
import { claimBytesMax, type NewTask, type TaskState } from '../../tasks/task-store.ts'
import { code } from '../conformance/log-fixtures.ts'
import { storeTogether } from './together.ts'

const skip = noPostgres()
const server = skip === undefined ? await TestPostgres.start({ after }) : undefined
const ids = new IdSource(() => 1_700_000_000_000, new Uint8Array(8))
const options = { skip: skip ?? false }

test('leases that nobody could look after begin anew, three times, and then end', options, async (t) => {
  const { store, pass } = await frozen(t, server, { awayMs: 5_000 })
  await store.add([task({ leaseMs: 10_000 })])
  const [lease] = await store.claim('q', 'w', 1)
  assert.ok(lease !== undefined)
  for (let i = 0; i < 3; i++) {
    await pass(20_000)
    assert.deepEqual(await store.expire(), [], `away ${i}`)
  }
  assert.equal(await store.extend(lease.task.id, lease.token, 10_000), 1_800_000_070_000)
  await pass(20_000)
  assert.equal((await store.expire()).length, 1)
  assert.equal(await store.extend(lease.task.id, lease.token, 10_000), undefined)
})

test('a done task is known for a time and then forgotten, its key a while longer', options, async (t) => {
  const { store, pass, database } = await frozen(t, server)
  const one = task({ key: 'k' })
  await store.add([one])
  const report = async () => (await store.report([{ id: one.id, outcome: 'done' }])).outcomes[0]
  assert.deepEqual([await report(), await report()], ['done', 'already'])
  await pass(59_000)
  await store.swept()
  assert.equal((await store.get(one.id))?.state, 'done')
  await pass(2_000)
  await store.swept()
  assert.equal(await store.get(one.id), undefined)
  assert.equal(await report(), 'unknown')
  assert.deepEqual(await store.add([task({ key: 'k' })]), [{ id: one.id, repeated: true }])
  await pass(200_000)
  await store.swept()
  assert.deepEqual(await database.run('select from nitka.task_keys'), [])
  assert.equal((await store.add([task({ key: 'k' })]))[0]?.repeated, false)
  assert.equal(store.queues()[0]?.done, 1, 'what is forgotten stays counted')
})

test('a queue that is full takes nothing more, whole or not at all, and repeats still', options, async (t) => {
  const { store } = await frozen(t, server)
  const [one] = await store.add([task({ key: 'k' }), task({ delayMs: 1_000 })])
  await assert.rejects(store.add([task(), task()]), code('overloaded'))
  await store.add([task(), task({ queue: 'other' })])
  await assert.rejects(store.add([task()]), code('overloaded'))
  assert.deepEqual(await store.add([task({ key: 'k' })]), [{ id: one?.id, repeated: true }])
  await assert.rejects(store.add([task({ queue: 'free' }), task({ priority: 1_001 })]), code('invalid'))
  await store.refresh()
  assert.deepEqual(
    store.queues().map(({ queue, ready, delayed }) => [queue, ready, delayed]),
    [
      ['other', 1, 0],
      ['q', 2, 1],
    ],
  )
})

test(
  'large payloads come whole, and a claim takes no more of them than its bytes and says that there is more',
  options,
  async (t) => {
    const { store } = await frozen(t, server, { queueTasksMax: 0 })
    const payload = JSON.stringify({ text: 'ü'.repeat(100_000) })
    const added = Array.from({ length: 60 }, (_, i) => task({ payload: payload.replace('üü', `${i}`) }))
    await store.add(added)
    let told = 0
    store.onReady = () => told++
    const got: string[] = []
    for (
      let leases = await store.claim('q', 'w', 1_000);
      leases.length > 0;
      leases = await store.claim('q', 'w', 1_000)
    ) {
      const mine = leases.map((lease) => lease.task.payload)
      assert.ok(mine.length < 60 && mine.reduce((sum, one) => sum + Buffer.byteLength(one), 0) <= claimBytesMax)
      got.push(...mine)
      assert.equal(told > 0, got.length < 60, 'whoever got less than there is hears that there is more')
      told = 0
    }
    assert.deepEqual(
      got,
      added.map((one) => one.payload),
    )
  },
)

test('messages and tasks of one call are stored together or not at all', options, async (t) => {
  const { store, database } = await frozen(t, server)
  const log = { kind: 'room', id: 'r' } as const
  const append = (body: string, clientId: string) => ({
    ...{ entries: [{ log, id: ids.next(), time: 1, sender: 'ann', body, counts: true }], clientId },
  })
  const together = (body: string, clientId: string, adds: readonly NewTask[]) =>
    storeTogether(database, store.adds, { appends: [append(body, clientId)], adds, dedupeWindowMs: 1_000_000 })
  const stored = async () => {
    await store.refresh()
    const [row] = await database.run<{ count: number }>('select count(*) from nitka.entries')
    return [row?.count, store.queues().reduce((sum, { ready }) => sum + ready, 0)]
  }
  const first = await together('1', 'a', [task({ key: 'k' }), task({ queue: 'other' })])
  assert.deepEqual([first.appended[0]?.offsets, first.added.map(({ repeated }) => repeated)], [[1], [false, false]])
  assert.deepEqual(await stored(), [1, 2])
  const again = await together('1', 'a', [task({ key: 'k' })])
  assert.deepEqual([again.appended[0]?.repeated, again.added], [true, [{ id: first.added[0]?.id, repeated: true }]])
  await assert.rejects(
    together('2', 'b', [task({ queue: 'new' }), task({ key: 'k', payload: '{"n":1}' })]),
    code('conflict'),
  )
  await assert.rejects(together('2', 'a', [task()]), code('conflict'))
  await assert.rejects(together('2', 'c', [task(), task(), task()]), code('overloaded'))
  assert.deepEqual(await stored(), [1, 2])
})

test('texts with signs that Postgres does not keep do no harm', options, async (t) => {
  const { store } = await frozen(t, server)
  await store.add([task({ payload: '{"a":"\\u0000"}', group: 'ä/"' })])
  const [lease] = await store.claim('q', 'w/"\\', 1)
  assert.ok(lease !== undefined)
  const { id } = lease.task
  assert.deepEqual(await store.progress(id, lease.token, '"\\u0000"'), {})
  assert.equal(await store.progress(id, 'a\0b', '1'), undefined)
  const { outcomes } = await store.report([
    { id: 'x\0', outcome: 'done' },
    { id, token: lease.token, outcome: 'failed', reason: 'a\0b \ud800 "c"' },
  ])
  assert.deepEqual(outcomes, ['unknown', 'failed'])
  const { attempts, progress, payload } = (await store.get(id)) ?? assert.fail()
  assert.deepEqual([attempts[0]?.reason, progress, payload], ['a\ufffdb \ufffd "c"', '"\\u0000"', '{"a":"\\u0000"}'])
})

test('a statement that Postgres undid in a deadlock is run again, a few times', options, async (t) => {
  const { database } = await frozen(t, server)
  await database.script(`create sequence tries;
    create function undone(times int) returns bigint language plpgsql as $$
    begin
      if nextval('tries') <= times then raise exception 'deadlock' using errcode = '40P01'; end if;
      return currval('tries');
    end $$`)
  assert.deepEqual(await database.run('select undone(3)::int as try'), [{ try: 4 }])
  await assert.rejects(database.run('select undone(100)'), code('unavailable'))
  assert.deepEqual(await database.run("select nextval('tries')::int as next"), [{ next: 9 }])
})

test('rows are whole after a statement that failed when it had given some', options, async (t) => {
  const { database } = await frozen(t, server)
  await assert.rejects(database.run('select 10 / (3 - n) as x from generate_series(1, 5) as n'), code('internal'))
  assert.deepEqual(await database.run('select 7 as x'), [{ x: 7 }])
})

test('Postgres judges reports and counts back-offs as the rules do', options, async (t) => {
  const { database } = await frozen(t, server)
  const states: readonly TaskState[] = ['ready', 'delayed', 'leased', 'done', 'dead']
  const tokens = ['1.a', '2.b', '3.c', '77.zz', 'none', '0.1', '02.b'] as const
  for (const state of states) {
    for (const token of [undefined, ...tokens]) {
      for (const worker of [undefined, 'ann', 'bert']) {
        for (const outcome of ['done', 'failed'] as const) {
          const standing = { state, token: '2.b', attempt: 2, worker: 'ann' }
          const report = { id: '', outcome, ...(token && { token }), ...(worker && { worker }) }
          const [row] = await database.run<{ verdict: string }>(
            'select nitka.judge($1::int, $2, $3, $4, $5, $6, $7::int = 1) as verdict',
            [states.indexOf(state), '2.b', 2, 'ann', token ?? null, worker ?? null, outcome === 'done' ? 1 : 0],
          )
          assert.equal(row?.verdict, judge(standing, report), JSON.stringify([standing, report]))
        }
      }
    }
  }
  const wait = fc.record({
    kind: fc.constantFrom('fixed' as const, 'exponential' as const),
    ms: fc.nat(100_000),
    maxMs: fc.nat(10_000_000),
  })
  await fc.assert(
    fc.asyncProperty(
      wait,
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 0, max: 1_023 }),
      async (backoff, failures, n) => {
        const { kind, ms, maxMs } = backoff
        const [row] = await database.run<{ wait: number }>(
          'select nitka.backoff_ms($1, $2, $3, $4, $5::double precision) as wait',
          [kind, ms, maxMs, failures, n / 1_024],
        )
        assert.equal(row?.wait, backoffMs(backoff, failures, n / 1_024))
      },
    ),
  )
})
