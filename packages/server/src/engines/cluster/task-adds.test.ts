// An application adds tasks in a transaction of its own, on a real Postgres: who needs the same key waits, nobody else does.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { cluster, task } from '../../../testing/cluster-tasks.ts'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'

const skip = noPostgres() ?? false
const server = skip === false ? await TestPostgres.start({ after }) : undefined

test('a key that an application uses in an open transaction holds up only those who need it', { skip }, async (t) => {
  const { open, application: connect } = await cluster(t, server)
  const { store, database } = await open({ lockedMs: 60_000 })
  const application = connect()
  await store.add([task(), task({ key: 'known' })])
  await application.run('begin')
  const add = (parameters: string): Promise<unknown> => application.run(`select nitka.add_task('{}', ${parameters})`)
  await add(`'q', key => 'fresh'`)
  await add(`'q', key => 'known'`)
  await add(`'made'`)

  const waiting = new Set<string>()
  const ask = (name: string, ...tasks: ReturnType<typeof task>[]) => {
    waiting.add(name)
    return store.add(tasks).finally(() => waiting.delete(name))
  }
  const aside = [
    ask('fresh', task({ key: 'fresh' })),
    ask('known', task({ key: 'known' })),
    ask('both', task({ key: 'fresh' }), task({ key: 'mine' })),
    ask('made', task({ queue: 'made' })),
  ]
  await Promise.all([
    store.add([task()]),
    store.add([task({ queue: 'other', key: 'fresh' })]),
    ...Array.from({ length: 200 }, (_, i) => store.add([task({ key: `k${i}` })])),
  ])
  await store.add([task({ key: 'after' })])
  assert.deepEqual([...waiting], ['fresh', 'known', 'both', 'made'])
  assert.equal(database.trouble, undefined)
  assert.equal(database.failures, 0)

  await application.run('commit')
  const [fresh, known, both, made] = await Promise.all(aside)
  assert.equal(fresh?.[0]?.repeated, true)
  assert.equal(known?.[0]?.repeated, true)
  assert.deepEqual(
    both?.map(({ repeated }) => repeated),
    [true, false],
  )
  assert.equal(made?.[0]?.repeated, false)
})

test('a key that stays locked for too long is refused, and nothing is added', { skip }, async (t) => {
  const { open, application: connect } = await cluster(t, server)
  const { store } = await open({ lockedMs: 500 })
  const application = connect()
  await application.run('begin')
  await application.run(`select nitka.add_task('{}', 'q', key => 'a')`)
  const refused = assert.rejects(store.add([task({ key: 'a' })]), { code: 'unavailable', message: /nothing was done/ })
  await store.add([task({ queue: 'other' })])
  await refused
  await application.run('rollback')
  const [added] = await store.add([task({ key: 'a' })])
  assert.equal(added?.repeated, false)
  await store.idle()
})
