import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bench } from '../../testing/wire.ts'
import { Registry, type RegistryLimits } from './registry.ts'

const none: RegistryLimits = {
  connectionsMax: 0,
  connectionsPerUserMax: 0,
  connectionsPerAddressMax: 0,
  unauthenticatedMax: 0,
  unauthenticatedPerAddressMax: 0,
}
const far = '192.0.2.1'

function open(limits: Partial<RegistryLimits>) {
  const bench = new Bench()
  const registry = new Registry({ ...none, ...limits })
  const join = (user: string | undefined, address = far) => {
    registry.admit(user, address)
    const { session } = bench.open({ user, address })
    registry.add(session)
    return session
  }
  return { registry, join }
}

test('a node, a user, an address and the unknown each have their limit, and an end makes room', () => {
  const cases: [Partial<RegistryLimits>, string | undefined, string | undefined][] = [
    [{ connectionsMax: 2 }, 'anna', 'bert'],
    [{ connectionsPerUserMax: 2 }, 'anna', 'anna'],
    [{ connectionsPerAddressMax: 2 }, 'anna', 'bert'],
    [{ unauthenticatedMax: 2 }, undefined, undefined],
    [{ unauthenticatedPerAddressMax: 2 }, undefined, undefined],
  ]
  for (const [limits, first, second] of cases) {
    const { registry, join } = open(limits)
    const session = join(first)
    join(second)
    assert.throws(() => join(second), { code: 'overloaded' }, JSON.stringify(limits))
    assert.equal(registry.refused, 1)
    session.gone()
    join(second)
    assert.equal(registry.size, 2)
  }
})

test('limits of others do not reach me: another user, another address, a known one', () => {
  const { join } = open({ connectionsPerUserMax: 1, connectionsPerAddressMax: 3, unauthenticatedMax: 1 })
  join('anna')
  join(undefined)
  join('bert')
  assert.throws(() => join('carl'), { code: 'overloaded' })
  join('carl', '192.0.2.2')
})

test('connections without identity are not counted as one user', () => {
  const { registry, join } = open({ connectionsPerUserMax: 1 })
  for (let i = 0; i < 10; i++) join('')
  assert.equal(registry.size, 10)
  assert.equal(registry.of('').size, 0)
})

test('this machine is not limited by address, known or unknown', () => {
  const { join } = open({ connectionsPerAddressMax: 1, unauthenticatedPerAddressMax: 1 })
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '']) {
    for (const user of ['anna', undefined]) {
      join(user, address)
      join(user, address)
    }
  }
})

test('an address has its share of the unknown, and who says who they are makes room', () => {
  const { registry, join } = open({ unauthenticatedMax: 3, unauthenticatedPerAddressMax: 2 })
  const [a] = [join(undefined), join(undefined)]
  assert.throws(() => join(undefined), { code: 'overloaded' })
  join('anna')
  join(undefined, '192.0.2.2')
  assert.ok(a)
  registry.identified(a, { user: 'bert' })
  const b = join(undefined)
  assert.throws(() => join(undefined, '192.0.2.3'), { code: 'overloaded' }, 'three in all')
  b.gone()
  a.gone()
  join(undefined, '192.0.2.3')
})

test('who says later who they are is counted from then on, and refused at the limit without being forgotten', () => {
  const { registry, join } = open({ connectionsPerUserMax: 1, unauthenticatedMax: 2 })
  const [a, b] = [join(undefined), join(undefined)]
  registry.identified(a, { user: 'anna' })
  assert.equal(registry.of('anna').size, 1)
  assert.throws(() => registry.identified(b, { user: 'anna' }), { code: 'overloaded' })
  const c = join(undefined)
  assert.throws(() => join(undefined), { code: 'overloaded' }, 'b still counts as unknown')
  for (const session of [a, b, c]) session.gone()
  assert.equal(registry.of('anna').size, 0)
  join(undefined)
  join(undefined)
})

test('who is gone before their identity is known leaves no ghost behind', () => {
  const { registry, join } = open({ connectionsPerUserMax: 1, unauthenticatedMax: 1 })
  const session = join(undefined)
  session.gone()
  registry.identified(session, { user: 'anna' })
  assert.equal(registry.of('anna').size, 0)
  join('anna')
  join(undefined)
  assert.throws(() => join(undefined), { code: 'overloaded' })
})

test('a closing registry admits nobody, and says that it is draining', () => {
  const { registry, join } = open({})
  registry.close()
  assert.throws(() => join('anna'), { code: 'draining' })
})

test('ends are counted by reason', () => {
  const { registry, join } = open({})
  join('anna').close('tryLater')
  join('anna').gone()
  join('anna').gone()
  assert.deepEqual(Object.fromEntries(registry.ended), { tryLater: 1, gone: 2 })
  assert.equal(registry.opened, 3)
})
