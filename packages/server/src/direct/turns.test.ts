import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { IdSource } from '@nitka/protocol'
import { SimulatedClock } from '../../testing/clock.ts'
import { eventually } from '../../testing/eventually.ts'
import { Ear, encoder } from '../../testing/log-nodes.ts'
import { temporaryFolder } from '../../testing/server.ts'
import { openEmbedded } from '../engines/embedded/engine.ts'
import { Pulse } from '../fanout/pulse.ts'
import { Log } from '../log/log.ts'
import { realWorld } from '../world.ts'
import { Direct } from './direct.ts'

/** A receiver whose socket takes something when the test says so. */
class Slow extends Ear {
  override hasRoom = false
  override taken = 0
}

/** Three messages are pending for bert: the first of his connections reads slowly, the second one waits for its turn. */
async function open(t: TestContext) {
  const clock = new SimulatedClock()
  const engine = await openEmbedded({ dataDir: await temporaryFolder(t), world: realWorld(), reserveBytes: 0 })
  t.after(() => engine.close())
  const pulse = new Pulse(clock, 0)
  const ids = new IdSource(() => clock.now(), Buffer.alloc(8))
  const log = new Log({ store: engine.logs, bus: engine.bus, pulse, clock, ids }, { sweepMs: 0 })
  t.after(() => log.close())
  const direct = new Direct({ log, clock, pulse, bus: engine.bus }, { payloadBytesMax: 0, noteUndelivered: false })
  const send = () => direct.sendUser({ fromUser: 'anna', toUser: 'bert', message: 1 })
  for (let i = 0; i < 3; i++) await send()
  const [slow, quick] = [new Slow(), new Ear()]
  const settled = (done: () => boolean, what: string): Promise<void> =>
    eventually(() => {
      clock.turn()
      return done()
    }, what)
  const idle = clock.waiting
  for (const ear of [slow, quick]) {
    const place = direct.open('bert', '', ear, encoder)
    t.after(() => place.close())
  }
  await settled(() => clock.waiting > idle, 'the turn of the first one')
  return { clock, slow, quick, send, settled }
}

test('who takes nothing for a second has had its turn', async (t) => {
  const { clock, quick, settled } = await open(t)
  clock.advance(1_000)
  await settled(() => quick.heard.length === 3, 'what is pending')
})

test('who took something while this process stood still keeps its turn, and nobody else gets the same', async (t) => {
  const { clock, slow, quick, send, settled } = await open(t)
  clock.stall(5_000)
  // As a socket does: after the timers of a turn it says what was taken.
  clock.after(0, () => {
    slow.taken += 10
  })
  clock.turn()
  slow.drain()
  await settled(() => slow.heard.length === 3, 'the pending ones')
  await send()
  await settled(() => slow.heard.length === 4 && quick.heard.length > 0, 'the next one')
  assert.deepEqual([slow.heard, quick.heard], [[1, 2, 3, 4], [4]])
})
