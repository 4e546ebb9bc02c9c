// What waits behind a statement that takes long.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../../testing/clock.ts'
import { Held, replacing } from '../../../testing/late.ts'
import { Backlog } from '../backlog.ts'
import { code, room, single } from '../conformance/log-fixtures.ts'
import type { Database } from './database.ts'
import { ClusterLogStore } from './log-store.ts'

test('behind a statement of more than 5 s confirmations wait; what is new is refused', async () => {
  const statements = new Held()
  const parts = {
    counters: { commits: 0, appends: 0, repeats: 0, failures: 0, damaged: 0, queuedBytes: 0 },
    backlog: new Backlog(),
    epoch: 'e',
    dedupeWindowMs: 1_000,
    committed: () => undefined,
    ...{ clock: new SimulatedClock(), lockedMs: 3_000 },
  }
  let now = 0
  const database = replacing({} as Database, { run: () => statements.pass([]) })
  const logs = new ClusterLogStore({ ...parts, database, now: () => now })
  const send = () => logs.append([single(room('tea'), 'x')])
  const confirm = (offset: number) => logs.move([{ log: room('tea'), name: 'read', offset, time: 1 }])
  statements.hold()
  const begun = [send(), confirm(1)]
  await statements.holds()
  const late = assert.rejects(send(), code('overloaded'))
  const confirmed = confirm(2)
  now = 5_000
  statements.release()
  await late
  await confirmed
  await Promise.allSettled(begun)
})
