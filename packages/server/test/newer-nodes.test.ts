// What a node of a newer version says beside what this one knows: more fields, other kinds. Nothing of it harms, or reaches clients, and
// what is known is understood.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { subjectToken } from '../src/bus.ts'
import { ClusterOwnership } from '../src/engines/cluster/ownership.ts'
import { InProcessHub } from '../src/engines/embedded/bus.ts'
import { ParcelCutter } from '../src/nodes/parcels.ts'
import { Peers } from '../src/nodes/peers.ts'
import { realWorld } from '../src/world.ts'
import { eventually } from '../testing/eventually.ts'
import { twoServers } from '../testing/nodes.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }

type Part = readonly [mark: number, data: string]

/** A message of an exchange: parts with a mark each. */
function message(...parts: readonly Part[]): Buffer {
  return Buffer.concat(
    parts.map(([mark, data]) => {
      const head = Buffer.alloc(5)
      head.writeUInt32BE(Buffer.byteLength(data))
      head[4] = mark
      return Buffer.concat([head, Buffer.from(data)])
    }),
  )
}

const json = JSON.stringify

test('clients of an older node hear what it knows, and nothing that only a newer one does', async (t) => {
  const { one, two } = await twoServers(t)
  await one.server.rooms.create('ann', { id: 'tea', name: 'Tea', open: true })
  const bert = await two.connect('/ws?user=bert', rpc)
  await bert.call('rooms.join', { room: 'tea' })
  await bert.call('relay.join', { channel: 'c' })
  const say = (subject: string, name: string, ...parts: readonly Part[]): void =>
    one.bus.publish(`${subject}.${subjectToken(name)}`, message(...parts))
  say('relay', 'c', [2, 'for newer nodes'], [0, 'text'])
  say(
    'room',
    'tea',
    [0, json({ kind: 'reaction', room: 'tea', from: 'ann', emoji: '🦀' })],
    [0, json({ kind: 'read', room: 'tea', user: 'ann', offset: 'later' })],
    [0, json({ kind: 'signal', room: 'tea', from: 'ann', signal: 1, urgent: true })],
  )
  say('presence', 'tea', [0, json(['cleo', 'one', 7, true, { device: 'phone' }])])
  const entry = [1, 'id1', 1, 'ann', null, null, { edited: true }]
  say('log.room', 'tea', [9, 'a mark of a newer node'], [0, `${json(entry)}\n"hello"`])
  const wanted = ['relay.message', 'rooms.signal', 'rooms.presence', 'rooms.message']
  await eventually(() => bert.arrived.length === wanted.length, 'what is known')
  const heard = bert.arrived.map((text) => JSON.parse(String(text)))
  assert.deepEqual(heard.map(({ method }) => method).sort(), wanted.sort())
  const signal = heard.find(({ method }) => method === 'rooms.signal')
  assert.deepEqual(signal.params, { room: 'tea', from: 'ann', signal: 1 })
})

test('questions with more fields are answered, others refused, and frames of other kinds passed over', async (t) => {
  const hub = new InProcessHub()
  const { clock } = realWorld()
  const faults: unknown[] = []
  const nodes = new Set(['older', 'newer'])
  const older = new Peers({
    ...{ bus: hub.node(), clock, ownership: { node: 'older', nodes, onGone: () => () => undefined } },
    onError: (error) => faults.push(error),
  })
  t.after(() => older.close())
  older.serve('add', (params) => (params as { a: number }).a + 1)
  const newer = hub.node()
  const said: unknown[][] = []
  const say = (...frames: unknown[]): void => {
    for (const parcel of new ParcelCutter().cut(json(frames)))
      newer.publish('node.older', Buffer.concat([Buffer.from('newer '), parcel]))
  }
  newer.subscribe('node.newer', (bytes) => {
    const text = Buffer.from(bytes).toString('utf8')
    const frames: unknown[][] = JSON.parse(text.slice(text.indexOf('[')))
    said.push(...frames)
    for (const [kind, number] of frames) {
      if (kind === 'ask')
        say(['answer', number, false, { code: 'out-of-quota', message: 'too much', quota: 7 }, 'more'])
    }
  })
  say(
    ...[null, { kind: 'object' }, ['pause', 1, 'for a while']],
    ['ask', 1, 'add', { a: 1, trace: 'x' }, 1, { deadline: 5 }],
    ['ask', 2, 'explain', {}, 1],
  )
  const answers = (): unknown[][] => said.filter(([kind]) => kind === 'answer')
  await eventually(() => answers().length === 2, 'both are answered')
  const [first, second] = answers()
  assert.deepEqual(first, ['answer', 1, true, 2])
  assert.match(json(second), /"code":"not-found"/)
  await assert.rejects(older.call('newer', 'spend', {}).answer, { code: 'internal', message: 'too much' })
  assert.deepEqual(faults, [])
})

test('units, nodes and whatever else a newer schema tells with a beat do not confuse a node', async (t) => {
  const hub = new InProcessHub()
  const rows = [
    { what: 'past', name: 'p', node: null, fence: 1 },
    { what: 'node', name: 'other', node: '2.0.0', fence: null },
    { what: 'unit', name: 'a', node: 'other', fence: 7, since: 'now' },
    { what: 'zone', name: 'north', node: null, fence: 99 },
  ]
  const { clock } = realWorld()
  const database = { run: async () => rows as never }
  const ownership = await ClusterOwnership.open({ database, bus: hub.node(), clock, node: 'me', version: '1' })
  t.after(() => ownership.close())
  assert.deepEqual([...ownership.nodes], ['me', 'other'])
  assert.deepEqual([ownership.owner('a')?.node, ownership.owner('north')], ['other', undefined])
})
