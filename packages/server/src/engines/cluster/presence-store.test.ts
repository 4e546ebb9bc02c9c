// Presence and removals in Postgres: what a node says of its users, what others read of it, and what is left when it dies.

import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { eventually } from '../../../testing/eventually.ts'
import { NodeLife } from '../../../testing/node-life.ts'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import { unrulyBus } from '../../../testing/unruly-bus.ts'
import { Exchange } from '../../fanout/exchange.ts'
import { Pulse } from '../../fanout/pulse.ts'
import { OtherPresence } from '../../rooms/other-presence.ts'
import { Presence } from '../../rooms/presence.ts'
import { realWorld } from '../../world.ts'
import { InProcessHub } from '../embedded/bus.ts'
import { Database } from './database.ts'
import { migrate } from './migrate.ts'
import { ClusterPresenceStore } from './presence-store.ts'
import { ClusterRoomDirectory } from './room-directory.ts'

const { clock } = realWorld()
const skip = noPostgres() ?? false
const server = skip === false ? await TestPostgres.start({ after }) : undefined

async function open(t: TestContext): Promise<{ database: Database; presence: ClusterPresenceStore }> {
  const url = (await server?.database()) ?? ''
  const database = new Database({ url, clock, connectionsMax: 3, statementMs: 10_000 })
  t.after(() => database.close())
  await migrate(database)
  return { database, presence: new ClusterPresenceStore(database, () => clock.monotonic()) }
}

const change = (user: string, version: number, online = true, room = 'tea') => ({ room, user, version, online })

test('who is online is listed by room, and of two statements the larger version is true', { skip }, async (t) => {
  const { presence } = await open(t)
  await presence.save('a', [change('ann', 1), change('bert', 2), change('cleo', 3, true, 'talk')])
  await presence.save('b', [change('ann', 7)])
  await presence.save('a', [change('ann', 5, false)])
  await presence.save('a', [change('ann', 4, true)])
  const rows = (await presence.list(['tea', 'none'])).map(({ user, node, version }) => [user, node, version])
  assert.deepEqual(rows.sort(), [
    ['ann', 'b', 7],
    ['bert', 'a', 2],
  ])
  const { time } = await presence.look()
  const changes = await presence.changes(['tea'], time - 60_000)
  assert.deepEqual(
    changes.filter(({ online }) => !online),
    [{ room: 'tea', user: 'ann', node: 'a', version: 5, online: false }],
  )
  assert.deepEqual(await presence.changes(['tea'], time + 60_000), [])
})

test('a node stands among those that are complete until it is forgotten, and its users with it', {
  skip,
}, async (t) => {
  const { presence } = await open(t)
  await presence.save('a', [change('ann', 1)])
  await presence.save('b', [change('bert', 1)])
  for (const node of ['a', 'b', 'a']) await presence.complete(node)
  assert.deepEqual((await presence.look()).nodes, ['a', 'b'])
  await Promise.all([presence.forget('a'), presence.forget('a'), presence.forget('a')])
  assert.deepEqual((await presence.look()).nodes, ['b'])
  assert.deepEqual(
    (await presence.list(['tea'])).map(({ user }) => user),
    ['bert'],
  )
})

test('who went, and what a node without a word left behind, is removed after a minute', { skip }, async (t) => {
  const { database, presence } = await open(t)
  await presence.save('a', [change('ann', 1), change('bert', 2, false)])
  await presence.save('ghost', [change('cleo', 1)])
  await presence.complete('a')
  await database.run("update nitka.presence set changed = changed - interval '2 minutes'")
  await presence.save('a', [change('dora', 3, false)])
  await database.run('select nitka.tidy_presence()')
  const left = await database.run<{ user_name: string }>('select user_name from nitka.presence order by user_name')
  assert.deepEqual(
    left.map(({ user_name }) => user_name),
    ['ann', 'dora'],
  )
})

test('a membership that ended is told to whoever asks, until it is begun again', { skip }, async (t) => {
  const { database } = await open(t)
  const rooms = new ClusterRoomDirectory(database)
  const limits = { membersPerRoomMax: 0, roomsPerUserMax: 0 }
  await rooms.create({ id: 'tea', name: 'Tea', open: false, creator: 'ann', time: 1 }, limits)
  for (const user of ['bert', 'cleo']) await rooms.add('tea', { user, time: 2 }, limits)
  assert.deepEqual(await rooms.removals(60_000), [])
  await rooms.remove('tea', 'bert')
  // By somebody who knows nothing of nodes.
  await database.run("delete from nitka.members where user_name = 'cleo'")
  const removed = (await rooms.removals(60_000)).map(({ room, user }) => [room, user])
  assert.deepEqual(removed.sort(), [
    ['tea', 'bert'],
    ['tea', 'cleo'],
  ])
  await rooms.add('tea', { user: 'bert', time: 3 }, limits)
  assert.deepEqual(await rooms.removals(60_000), [{ room: 'tea', user: 'cleo' }])
  await database.run("update nitka.removals set at = at - interval '2 minutes'")
  assert.deepEqual(await rooms.removals(60_000), [])
  assert.deepEqual((await rooms.removals(600_000)).length, 1)
})

test('after a crash of the database, and of a node, nodes agree again on who is there', { skip }, async (t) => {
  const postgres = await TestPostgres.start(t)
  const url = await postgres.database()
  const hub = new InProcessHub()
  const life = new NodeLife()
  const open = async (name: string) => {
    const database = new Database({ url, clock, connectionsMax: 2, statementMs: 5_000 })
    t.after(() => database.close())
    await migrate(database)
    const store = new ClusterPresenceStore(database, () => clock.monotonic())
    const bus = unrulyBus(hub)
    bus.rules.lose = ['']
    const exchange = new Exchange(bus, new Pulse(clock, 0))
    const others = new OtherPresence({ store, ownership: life.ownership(name), exchange, clock })
    const left: string[] = []
    const presence = new Presence({ clock, graceMs: 0, others }, (_, user, online) => online || left.push(user))
    const { unwatch } = others.watch('tea')
    t.after(unwatch)
    await others.sweep()
    /** Who is there, as far as the store says: the bus loses everything. */
    const sees = async (...users: string[]): Promise<boolean> => {
      await others.sweep()
      return JSON.stringify(presence.list('tea').toSorted()) === JSON.stringify(users)
    }
    return { presence, others, sees, left }
  }
  const [one, two, three] = [await open('one'), await open('two'), await open('three')]
  one.presence.enter('tea', 'ann')
  two.presence.enter('tea', 'bert')
  three.presence.enter('tea', 'cleo')
  const agree = async (nodes: readonly Awaited<ReturnType<typeof open>>[], ...users: string[]): Promise<void> =>
    eventually(async () => (await Promise.all(nodes.map((node) => node.sees(...users)))).every(Boolean), users.join())
  await agree([one, two, three], 'ann', 'bert', 'cleo')
  await postgres.kill()
  two.presence.enter('tea', 'dora')
  life.gone('three')
  await postgres.start()
  await agree([one, two], 'ann', 'bert', 'dora')
  const { left } = one
  assert.deepEqual(left, ['cleo'], 'nobody else seemed to leave')
  await two.others.close()
  life.gone('two')
  assert.equal(await one.sees('ann'), true)
  assert.deepEqual(await one.presence.find('tea'), ['ann'])
})
