import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Leases, type LiveLease } from './task-leases.ts'

/** As much of a lease as its bookkeeping looks at. */
function lease(id: string, ends: number): LiveLease {
  return { id, ends, claim: { number: 1, worker: 'w', live: 1 } } as LiveLease
}

test('long leases that are settled early are not kept until their time', () => {
  const leases = new Leases()
  for (let i = 0; i < 200_000; i++) {
    const one = lease(`${i}`, 3_600_000 + i)
    leases.add([one])
    if (i % 1_000 !== 0) leases.remove(one)
  }
  assert.equal(leases.size, 200)
  assert.ok(leases.kept < 10_000, `${leases.kept} are kept`)
  assert.deepEqual(
    leases.takeEnded(3_600_000 + 5_000, 1_000).map(({ id }) => id),
    ['0', '1000', '2000', '3000', '4000', '5000'],
  )
})

test('a lease that was made longer ends at its new time only', () => {
  const leases = new Leases()
  const [one, two] = [lease('1', 100), lease('2', 100)]
  leases.add([one, two])
  leases.extend(one, 300)
  assert.equal(leases.nextEnd, 100)
  assert.deepEqual(leases.takeEnded(200, 10), [two])
  leases.remove(two)
  assert.equal(leases.nextEnd, 300)
  assert.deepEqual(leases.takeEnded(300, 10), [one])
})
