// The supervisor of worker processes, with processes that do as badly as they can.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { type Death, Supervisor } from '../src/cli/supervisor.ts'
import { realWorld } from '../src/world.ts'
import { eventually } from '../testing/eventually.ts'

test('a worker that does not end on SIGTERM is killed', async (t) => {
  const told = Promise.withResolvers<void>()
  const server = createServer((_request, response) => {
    response.end()
    told.resolve()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const deaf = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); fetch('http://127.0.0.1:${port}')`
  const clock = realWorld().clock
  const after = (ms: number, task: () => void) => clock.after(ms / 30, task)
  const supervisor = new Supervisor(
    { count: 1, args: ['-e', deaf], died: () => {} },
    { ...realWorld(), clock: { ...clock, after } },
  )
  t.after(() => supervisor.stop())
  const [pid] = supervisor.pids
  await told.promise
  await supervisor.stop()
  assert.deepEqual([pid !== undefined, supervisor.pids], [true, []])
})

test('processes that cannot start are tried again ever less often, and each says why', async (t) => {
  const waits: number[] = []
  const due: (() => void)[] = []
  const world = realWorld()
  const clock = {
    ...world.clock,
    // However long a start takes here, they die young.
    monotonic: () => 0,
    after: (ms: number, task: () => void) => {
      waits.push(ms)
      due.push(task)
      return { cancel: () => {} }
    },
  }
  const deaths: Death[] = []
  const args = ['-e', "console.error('no luck'); process.exit(3)"]
  const supervisor = new Supervisor(
    { count: 1, args, died: (death) => deaths.push(death) },
    { clock, random: { ...world.random, fraction: () => 0 } },
  )
  t.after(() => supervisor.stop())
  for (let n = 1; n <= 8; n++) {
    await eventually(() => deaths.length === n, `death ${n}`)
    assert.deepEqual([deaths[n - 1]?.code, deaths[n - 1]?.lastWords], [3, 'no luck\n'])
    due[n - 1]?.()
  }
  assert.deepEqual(waits.slice(0, 8), [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000])
})
