import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { IdSource } from '@nitka/protocol'
import { SimulatedClock } from '../../testing/clock.ts'
import { eventually } from '../../testing/eventually.ts'
import { temporaryFolder } from '../../testing/server.ts'
import { openEmbedded } from '../engines/embedded/engine.ts'
import { Pulse } from '../fanout/pulse.ts'
import { Log } from '../log/log.ts'
import { realWorld } from '../world.ts'
import { Direct } from './direct.ts'
import { Undelivered, type UndeliveredOptions } from './undelivered.ts'

/** A clock whose wall time jumps when the test says so. */
class JumpingClock extends SimulatedClock {
  jump = 0

  override now(): number {
    return super.now() + this.jump
  }
}

type Post = UndeliveredOptions['post']

async function open(t: TestContext, post: Post, afterMs = 10_000) {
  const clock = new JumpingClock()
  const engine = await openEmbedded({ dataDir: await temporaryFolder(t), world: realWorld(), reserveBytes: 0 })
  t.after(() => engine.close())
  const pulse = new Pulse(clock, 0)
  const ids = new IdSource(() => clock.now(), Buffer.alloc(8))
  const log = new Log({ store: engine.logs, bus: engine.bus, pulse, clock, ids }, { sweepMs: 0 })
  const direct = new Direct({ log, clock, pulse, bus: engine.bus }, { payloadBytesMax: 0, noteUndelivered: true })
  const undelivered = new Undelivered(log, clock, { url: 'u', secret: undefined, afterMs, post })
  const send = (message: string, toUser = 'carl') => direct.sendUser({ fromUser: 'anna', toUser, message })
  /** Lets time go by, a second at a time, until it holds. */
  const passUntil = (condition: () => boolean, what: string): Promise<void> =>
    eventually(async () => {
      await clock.pass(1_000)
      return condition()
    }, what)
  return { clock, engine, undelivered, send, passUntil }
}

function collecting(): { told: string[]; post: Post } {
  const told: string[] = []
  const post: Post = async (_url, body) => {
    told.push(...JSON.parse(body).messages.map(({ message }: { message: string }) => message))
    return 'accepted'
  }
  return { told, post }
}

test('a message is told when its delay is over, not before, and once', async (t) => {
  const { told, post } = collecting()
  const { clock, send, passUntil, undelivered } = await open(t, post)
  const begun = clock.monotonic()
  await send('one')
  await passUntil(() => told.length > 0, 'the post')
  assert.ok(clock.monotonic() - begun >= 10_000)
  await send('two')
  await passUntil(() => told.length > 1, 'the second post')
  assert.deepEqual(told, ['one', 'two'])
  await undelivered.close()
})

test('a message that was stored while the clock stood ahead is told when it was set back', async (t) => {
  const { told, post } = collecting()
  const { clock, send, passUntil, undelivered } = await open(t, post)
  clock.jump = 3_600_000
  await send('ahead')
  clock.jump = 0
  await send('after')
  for (let i = 0; i < 30; i++) await clock.pass(1_000)
  clock.jump = 7_200_000
  await passUntil(() => told.length >= 2, 'both')
  assert.deepEqual(told, ['ahead', 'after'])
  await undelivered.close()
})

test('a server that stops does not wait for an application that does not answer, nor for the next try', async (t) => {
  for (const answer of ['never', 'later'] as const) {
    let posts = 0
    const { clock, send, passUntil, undelivered } = await open(
      t,
      () => {
        posts++
        return answer === 'never' ? new Promise(() => undefined) : Promise.resolve('later')
      },
      0,
    )
    await send('one')
    await passUntil(() => posts > 0, 'the post')
    // The clock stands still now.
    let closed = false
    void undelivered.close().then(() => {
      closed = true
    })
    await eventually(() => closed, `the end, ${answer}`)
    const before = posts
    await clock.pass(600_000)
    assert.equal(posts, before)
  }
})
