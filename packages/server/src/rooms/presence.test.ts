// Who is present over several nodes: on a bus that loses and reorders, with a store that fails and forgets, and with nodes
// that die, or only seem to.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SimulatedClock } from '../../testing/clock.ts'
import { MemoryPresenceStore, NodeLife } from '../../testing/node-life.ts'
import { unrulyBus } from '../../testing/unruly-bus.ts'
import { InProcessHub } from '../engines/embedded/bus.ts'
import { Exchange } from '../fanout/exchange.ts'
import { Pulse } from '../fanout/pulse.ts'
import { OtherPresence } from './other-presence.ts'
import { Presence } from './presence.ts'

function openCluster({ graceMs = 10_000 } = {}) {
  const clock = new SimulatedClock()
  const hub = new InProcessHub()
  const life = new NodeLife()
  const store = new MemoryPresenceStore(clock)
  const open = (name: string) => {
    const bus = unrulyBus(hub)
    const exchange = new Exchange(bus, new Pulse(clock, 0))
    const others = new OtherPresence({ store, ownership: life.ownership(name), exchange, clock })
    /** Whom somebody in the room believes to be there, from what was told since it was opened. */
    const believed = new Set<string>()
    const events: string[] = []
    const twice: string[] = []
    const presence = new Presence({ clock, graceMs, others }, (room, user, online) => {
      if (room !== 'tea') return
      events.push(`${online ? '+' : '-'}${user}`)
      // Kept, because a bus swallows what is thrown here.
      if (believed.has(user) === online) twice.push(`${user} ${online}`)
      if (online) believed.add(user)
      else believed.delete(user)
    })
    const sweeps = clock.every(2_000, () => void others.sweep())
    void others.sweep()
    const { unwatch } = others.watch('tea')
    const kill = (): void => {
      sweeps.cancel()
      bus.rules.lose = ['']
      unwatch()
      void bus.close()
    }
    return { name, bus, others, presence, believed, events, twice, kill, list: () => [...presence.list('tea')].sort() }
  }
  return { clock, life, store, open }
}

test('who comes and goes is told on every node, once, whichever node they are on', async () => {
  const { clock, open } = openCluster()
  const [one, two] = [open('one'), open('two')]
  await clock.pass(1)
  one.presence.enter('tea', 'ann')
  two.presence.enter('tea', 'ann')
  two.presence.enter('tea', 'bert')
  await clock.pass(1)
  assert.deepEqual(
    [one.list(), two.list()],
    [
      ['ann', 'bert'],
      ['ann', 'bert'],
    ],
  )
  one.presence.exit('tea', 'ann', false)
  await clock.pass(1)
  assert.deepEqual(
    [one.events, two.events],
    [
      ['+ann', '+bert'],
      ['+ann', '+bert'],
    ],
  )
  two.presence.exit('tea', 'ann', false)
  await clock.pass(1)
  assert.deepEqual([one.events.at(-1), two.events.at(-1)], ['-ann', '-ann'])
})

test('a client whose connection broke and that comes back on another node neither leaves nor comes', async () => {
  const { clock, open } = openCluster()
  const [one, two] = [open('one'), open('two')]
  one.presence.enter('tea', 'ann')
  await clock.pass(1)
  one.presence.exit('tea', 'ann', true)
  await clock.pass(9_000)
  assert.deepEqual([one.list(), two.list()], [['ann'], ['ann']])
  two.presence.enter('tea', 'ann')
  await clock.pass(60_000)
  assert.deepEqual([one.events, two.events], [['+ann'], ['+ann']])
  two.presence.exit('tea', 'ann', true)
  await clock.pass(9_999)
  assert.deepEqual(one.list(), ['ann'])
  await clock.pass(2)
  assert.deepEqual(
    [one.events, two.events],
    [
      ['+ann', '-ann'],
      ['+ann', '-ann'],
    ],
  )
})

test('who may not be here any more has no grace', async () => {
  const { clock, open } = openCluster()
  const one = open('one')
  one.presence.enter('tea', 'ann')
  one.presence.exit('tea', 'ann', true)
  one.presence.dismiss('tea', 'ann')
  assert.deepEqual(one.events, ['+ann', '-ann'])
  one.presence.enter('tea', 'ann')
  await clock.pass(20_000)
  assert.deepEqual(one.list(), ['ann'], 'the exit that was waited for is not done twice')
})

test('what the bus lost is found in the store by the next sweep', async () => {
  const { clock, open } = openCluster()
  const [one, two] = [open('one'), open('two')]
  one.bus.rules.lose = ['']
  one.presence.enter('tea', 'ann')
  one.presence.enter('tea', 'bert')
  await clock.pass(2_001)
  assert.deepEqual(two.list(), ['ann', 'bert'])
  one.presence.exit('tea', 'ann', false)
  await clock.pass(2_001)
  assert.deepEqual(two.list(), ['bert'])
})

test('a node that begins to watch a room knows at once who is there, and any node can ask the store', async () => {
  const { clock, open } = openCluster()
  const one = open('one')
  one.presence.enter('talk', 'ann')
  await clock.pass(1)
  const two = open('two')
  assert.deepEqual(await two.presence.find('talk'), ['ann'])
  const { ready } = two.others.watch('talk')
  await ready
  assert.deepEqual(two.presence.list('talk'), ['ann'])
})

test('users of a node that died are gone at once, and come back with it when it was only taken for dead', async () => {
  const { clock, life, store, open } = openCluster()
  const [one, two] = [open('one'), open('two')]
  one.presence.enter('tea', 'ann')
  await clock.pass(2_001)
  life.gone('one')
  assert.deepEqual(two.list(), [])
  await clock.pass(1)
  assert.deepEqual(await store.list(['tea']), [])
  life.nodes.add('one')
  await clock.pass(4_001)
  assert.deepEqual(two.list(), ['ann'])
  assert.deepEqual(two.events, ['+ann', '-ann', '+ann'])
  assert.deepEqual(one.events, ['+ann'])
})

test('nodes that died unseen, all at once, leave no ghosts', async () => {
  const { clock, life, store, open } = openCluster()
  const one = open('one')
  one.presence.enter('tea', 'ann')
  await clock.pass(2_001)
  one.kill()
  life.nodes.delete('one')
  const two = open('two')
  await clock.pass(10_000)
  assert.deepEqual([two.list(), (await store.look()).nodes], [[], ['two']])
})

test('what the bus brings in another order counts by what was said last', async () => {
  const { clock, open } = openCluster()
  const [one, two] = [open('one'), open('two')]
  await clock.pass(1)
  one.bus.rules.late = true
  one.presence.enter('tea', 'ann')
  await clock.pass(1)
  one.presence.exit('tea', 'ann', false)
  await clock.pass(1)
  one.bus.release((items) => items.reverse())
  await clock.pass(1)
  assert.deepEqual([two.list(), two.events], [[], []])
})

test('a database that lost everything is told everything again, and nobody seems to leave', async () => {
  const { clock, store, open } = openCluster()
  // It is the other that asks first when the database is back.
  const [two, one] = [open('two'), open('one')]
  one.presence.enter('tea', 'ann')
  await clock.pass(30_000)
  store.failing = true
  one.presence.enter('tea', 'bert')
  await clock.pass(40_000)
  store.wipe()
  store.failing = false
  await clock.pass(70_000)
  assert.deepEqual(
    [one.events, two.events],
    [
      ['+ann', '+bert'],
      ['+ann', '+bert'],
    ],
  )
  assert.deepEqual((await store.list(['tea'])).map(({ user }) => user).sort(), ['ann', 'bert'])
})

const names = ['one', 'two', 'three'] as const
const users = ['ann', 'bert', 'cleo'] as const
const node = fc.constantFrom(...names)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('enter' as const), node, user: fc.constantFrom(...users) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('exit' as const), node, lost: fc.boolean(), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('lose' as const), node, on: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('late' as const), node, on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wipe' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('doubt' as const), node }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 5_000 }) }) },
)

test('whatever goes wrong, all nodes agree in the end on who is there, and told no one anything twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const { clock, life, store, open } = openCluster()
      const nodes = new Map(names.map((name) => [name, open(name)]))
      /** Places, as node and user. */
      const places: [(typeof names)[number], string][] = []
      for (const one of steps) {
        const here = 'node' in one ? nodes.get(one.node)! : undefined
        if (one.kind === 'enter') {
          here!.presence.enter('tea', one.user)
          places.push([one.node, one.user])
        } else if (one.kind === 'exit') {
          const theirs = places.filter(([name]) => name === one.node)
          const place = theirs[one.pick % theirs.length]
          if (place === undefined) continue
          places.splice(places.indexOf(place), 1)
          here!.presence.exit('tea', place[1], one.lost)
        } else if (one.kind === 'lose') here!.bus.rules.lose = one.on ? [''] : []
        else if (one.kind === 'late') {
          here!.bus.rules.late = one.on
          if (!one.on) here!.bus.release((items) => items.reverse())
        } else if (one.kind === 'fail') store.failing = one.on
        else if (one.kind === 'wipe') store.wipe()
        else if (one.kind === 'doubt') {
          life.gone(one.node)
          clock.after(3_000, () => life.nodes.add(one.node))
        } else await clock.pass(one.ms)
      }
      store.failing = false
      for (const { bus } of nodes.values()) {
        bus.rules.late = false
        bus.release((items) => items.reverse())
      }
      // The grace, and what is read as a whole once a minute.
      await clock.pass(80_000)
      const present = [...new Set(places.map(([, user]) => user))].sort()
      for (const { name, list, believed, twice } of nodes.values()) {
        assert.deepEqual(twice, [], `told twice on ${name}`)
        assert.deepEqual(list(), present, name)
        assert.deepEqual([...believed].sort(), present, `believed on ${name}`)
      }
    }),
    { numRuns: 200 },
  )
})
