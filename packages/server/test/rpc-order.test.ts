// What a connection asks takes effect in the order in which it was asked, however soon it changes its mind.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Authorize } from '../src/sessions/auth.ts'
import { start } from '../testing/server.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }

const hooks: Readonly<Record<string, Authorize>> = {
  'answers at once': () => true,
  'takes its time': () => new Promise((resolve) => setImmediate(() => setImmediate(() => resolve(true)))),
}

async function open(t: TestContext, authorize: Authorize) {
  const { connect, server } = await start(t, {}, { authorize })
  const client = await connect('/ws?user=anna', rpc)
  /** Sends calls in one go. */
  const inOneGo = async (...calls: [string, object][]): Promise<void> => {
    await Promise.all(calls.map(([method, params]) => client.call(method, params)))
  }
  return { connect, server, client, inOneGo }
}

for (const [how, authorize] of Object.entries(hooks)) {
  test(`who leaves a channel before the join was through is not in it, with a hook that ${how}`, async (t) => {
    const { connect, client, inOneGo } = await open(t, authorize)
    const other = await connect('/ws?user=bert', rpc)
    await other.call('relay.join', { channel: 'c' })
    await inOneGo(['relay.join', { channel: 'c' }], ['relay.leave', { channel: 'c' }])
    await other.call('relay.publish', { channel: 'c', message: 'not for anna' })
    await inOneGo(['relay.join', { channel: 'c' }])
    await other.call('relay.publish', { channel: 'c', message: 'fence' })
    const { params } = await client.json()
    assert.equal(params.message, 'fence')
  })

  test(`who stops to work before it was permitted to is handed nothing, with a hook that ${how}`, async (t) => {
    const { server, inOneGo } = await open(t, authorize)
    const workers = (): number | undefined => server.tasks.queues().find(({ queue }) => queue === 'q')?.workers
    await inOneGo(['tasks.work', { queue: 'q', batch: 1 }], ['tasks.stop', { queue: 'q' }])
    assert.equal(workers() ?? 0, 0)
    await inOneGo(
      ['tasks.work', { queue: 'q', batch: 1 }],
      ['tasks.stop', { queue: 'q' }],
      ['tasks.work', { queue: 'q', batch: 1 }],
    )
    assert.equal(workers(), 1)
  })

  test(`who stops to answer before it was permitted to is asked nothing, with a hook that ${how}`, async (t) => {
    const { client, inOneGo } = await open(t, authorize)
    const types = async (): Promise<string[]> =>
      (await client.call('requests.queue')).queue.map(({ type }: { type: string }) => type)
    await inOneGo(['requests.execute', { type: 'add' }], ['requests.stop', { type: 'add' }])
    assert.deepEqual(await types(), [])
    await inOneGo(
      ['requests.execute', { type: 'add' }],
      ['requests.stop', { type: 'add' }],
      ['requests.execute', { type: 'add' }],
    )
    assert.deepEqual(await types(), ['add'])
  })
}
