// What every bus keeps on a good day: it may lose, repeat and reorder on a bad one, which no test asks for.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Bus } from '../../bus.ts'

/** Two nodes of one wire. `settled` resolves when what was published has arrived. */
export interface OpenBus {
  readonly one: Bus
  readonly two: Bus
  readonly settled: () => Promise<void>
}

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (from: Uint8Array) => new TextDecoder().decode(from)

export function busConforms(engine: string, open: (t: TestContext) => Promise<OpenBus>): void {
  const check = (name: string, body: (bus: OpenBus) => Promise<void>) =>
    test(`${engine}: ${name}`, async (t) => body(await open(t)))

  check('what is published reaches the other nodes, on this subject, not its own', async ({ one, two, settled }) => {
    const heard: string[] = []
    one.subscribe('room.a', (from) => heard.push(`one ${text(from)}`))
    two.subscribe('room.a', (from) => heard.push(`two ${text(from)}`))
    two.subscribe('room.ab', (from) => heard.push(`wrong ${text(from)}`))
    two.subscribe('room', (from) => heard.push(`wrong ${text(from)}`))
    await settled()
    one.publish('room.a', bytes('hello'))
    assert.deepEqual(heard, [], 'never before publish returns')
    await settled()
    assert.deepEqual(heard, ['two hello'])
  })

  check('a cancelled subscription hears nothing, the others go on', async ({ one, two, settled }) => {
    const heard: string[] = []
    const handler = (from: Uint8Array) => heard.push(text(from))
    const first = two.subscribe('s', handler)
    two.subscribe('s', handler)
    await settled()
    first.cancel()
    first.cancel()
    await settled()
    one.publish('s', bytes('x'))
    await settled()
    assert.deepEqual(heard, ['x'])
  })

  check('a handler that throws harms nobody', async ({ one, two, settled }) => {
    const heard: string[] = []
    two.subscribe('s', () => {
      throw new Error('a bug')
    })
    two.subscribe('s', (from) => heard.push(text(from)))
    await settled()
    one.publish('s', bytes('x'))
    await settled()
    assert.deepEqual(heard, ['x'])
  })

  check('the publisher may use its bytes again at once', async ({ one, two, settled }) => {
    const heard: string[] = []
    two.subscribe('s', (from) => heard.push(text(from)))
    await settled()
    const buffer = bytes('before')
    one.publish('s', buffer)
    buffer.fill(0)
    await settled()
    assert.deepEqual(heard, ['before'])
  })

  check('a closed bus is not healthy and stays silent', async ({ one, two, settled }) => {
    const heard: string[] = []
    two.subscribe('s', (from) => heard.push(text(from)))
    await settled()
    assert.deepEqual([one.healthy, two.healthy], [true, true])
    await two.close()
    await two.close()
    one.publish('s', bytes('x'))
    two.publish('s', bytes('x'))
    await settled()
    assert.equal(two.healthy, false)
    assert.deepEqual(heard, [])
  })
}
