// A disk that stands still for a while: senders are read no more, nobody is refused, and whoever stores nothing goes on.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openEmbedded } from '../src/engines/embedded/engine.ts'
import type { Engine } from '../src/engines/engine.ts'
import { eventually } from '../testing/eventually.ts'
import { HeldDisk } from '../testing/held-disk.ts'
import { start } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'

test('while the disk stands still senders are held back and nobody else; then everything is stored, in order', async (t) => {
  let disk: HeldDisk | undefined
  let engine: Engine | undefined
  const openEngine = async (config: { readonly data: string }, world: Parameters<typeof openEmbedded>[0]['world']) => {
    const wrap = { disk: (inner: ConstructorParameters<typeof HeldDisk>[0]) => (disk = new HeldDisk(inner)) }
    // By a clock that stands still: senders are held back for what waits, not for how long that takes.
    const clock = { ...world.clock, after: () => ({ cancel: () => undefined }), monotonic: () => 0 }
    engine = await openEmbedded({ dataDir: config.data, world: { ...world, clock }, reserveBytes: 0, ...wrap })
    return engine
  }
  // A server cannot end before its disk does.
  t.after(() => disk?.batches.release())
  const { server, connect, ask } = await start(t, { unanswered: 0, unansweredBytes: 0 }, { openEngine })
  const { batches } = disk ?? assert.fail()
  server.requests.handle('echo', (payload) => payload)
  const users = Array.from({ length: 6 }, (_, i) => `u${i}`)
  const senders = await Promise.all(users.map((user) => connect(`/ws?user=${user}`)))
  batches.hold()
  const text = 'x'.repeat(30_000)
  for (const [i, sender] of senders.entries()) {
    for (let n = 0; n < 200; n++) sender.send({ fromUser: users[i], toUser: 'away', message: `${n} ${text}` })
  }
  const holding = () => [...server.registry.sessions].filter(({ intake }) => intake.holding).length
  await eventually(() => holding() === senders.length, 'all senders to be held back')
  const waiting = engine?.counters.queuedBytes ?? 0
  assert.ok(waiting > 8 * 2 ** 20 && waiting < 14 * 2 ** 20, `${waiting} bytes wait`)

  const [one, two] = await Promise.all([connect('/relay'), connect('/relay')])
  one.send('still here')
  assert.deepEqual(await two.take(1), ['still here'])
  const asker = await TcpClient.open(t, { port: server.socketPort ?? 0, host: '127.0.0.1' })
  for (let i = 0; i < 5; i++) assert.equal(await asker.call('echo', i, i), i)
  assert.equal(holding(), senders.length)

  batches.release()
  for (const sender of senders) assert.deepEqual(new Set(await sender.take(200)), new Set(['ok']))
  assert.equal(holding(), 0)
  for (const user of users) {
    const stored: number[] = []
    for (let after: number | null = 0; after !== null; ) {
      const { body } = await ask('GET', `/ws/history?user=${user}&after=${after}&limit=500`)
      stored.push(...body.messages.map(({ message }: { message: string }) => Number.parseInt(message, 10)))
      after = body.next
    }
    assert.deepEqual(
      stored,
      Array.from({ length: 200 }, (_, n) => n),
    )
  }
})
