// The bus over a real NATS: the suite of every bus, and a server that goes away.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { eventually } from '../../../testing/eventually.ts'
import { freePort } from '../../../testing/free-port.ts'
import { noNats, TestNats } from '../../../testing/nats.ts'
import { busConforms } from '../conformance/bus.ts'
import { NatsBus } from './nats-bus.ts'

const skip = noNats()
const nats = skip === undefined ? await TestNats.start({ after }) : undefined
const quiet = { onGap: () => undefined, onError: () => undefined }

if (skip !== undefined) test('the bus over NATS', { skip }, () => undefined)
else {
  busConforms('cluster', async (t) => {
    const url = nats?.url ?? ''
    const [one, two] = await Promise.all([NatsBus.open({ url, ...quiet }), NatsBus.open({ url, ...quiet })])
    t.after(() => Promise.all([one.close(), two.close()]))
    const settled = async (): Promise<void> => {
      // What one sent before this has passed the server when it answers; what that sent the other came before its answer.
      await Promise.all([one.flush(), two.flush()])
      await Promise.all([one.flush(), two.flush()])
    }
    return { one, two, settled }
  })

  test('a bus that was away says so, hears again what comes, and that something may have been missed', async (t) => {
    const own = await TestNats.start(t)
    let gaps = 0
    const one = await NatsBus.open({ url: own.url, ...quiet })
    const two = await NatsBus.open({ url: own.url, ...quiet, onGap: () => gaps++ })
    t.after(() => Promise.all([one.close(), two.close()]))
    const heard: string[] = []
    two.subscribe('s', (bytes) => heard.push(new TextDecoder().decode(bytes)))
    await two.flush()
    await own.kill()
    await eventually(() => !one.healthy && !two.healthy, 'both know that it is gone')
    one.publish('s', new TextEncoder().encode('into nothing'))
    await own.start()
    await eventually(() => one.healthy && two.healthy && gaps === 1, 'both are back, and one may have missed something')
    await two.flush()
    one.publish('s', new TextEncoder().encode('again'))
    await eventually(() => heard.length > 0, 'it hears again')
    assert.deepEqual(heard, ['again'])
  })

  test('what a server does not take waits within a bound, and what comes after is heard again', async (t) => {
    const own = await TestNats.start(t)
    const one = await NatsBus.open({ url: own.url, ...quiet })
    const two = await NatsBus.open({ url: own.url, ...quiet })
    t.after(() => Promise.all([one.close(), two.close()]))
    let heard = 0
    two.subscribe('s', () => heard++)
    await two.flush()
    own.pause()
    const bytes = new Uint8Array(512 * 1024)
    for (let i = 0; i < 100; i++) one.publish('s', bytes)
    assert.equal(one.dropped, 36, 'of 50 MiB those beyond 32 MiB')
    own.resume()
    await eventually(() => heard === 64, 'what waited')
    await one.flush()
    one.publish('s', bytes)
    await eventually(() => heard === 65, 'what comes after')
    assert.equal(one.dropped, 36)
  })

  test('a server that asks for a password, or a token, gets what the address says', async (t) => {
    const own = await TestNats.start(t)
    await own.kill()
    await own.start(['--user', 'ann', '--pass', 'a,b@c'])
    const address = own.url.replace('nats://', '')
    await assert.rejects(NatsBus.open({ url: own.url, ...quiet }), /Authorization/)
    await assert.rejects(NatsBus.open({ url: `nats://ann:other@${address}`, ...quiet }), /Authorization/)
    const named = await NatsBus.open({ url: `nats://ann:a%2Cb%40c@${address}`, ...quiet })
    await named.close()
    await assert.rejects(NatsBus.open({ url: `tls://ann:a%2Cb%40c@${address}`, ...quiet }), /tls/i)
    await own.kill()
    await own.start(['--auth', 'a-token'])
    const holding = await NatsBus.open({ url: `nats://a-token@${address}, ${own.url}`, ...quiet })
    await holding.close()
  })

  test('a bus that was refused for a while comes back', async (t) => {
    const own = await TestNats.start(t)
    const bus = await NatsBus.open({ url: own.url, ...quiet })
    t.after(() => bus.close())
    await own.kill()
    const port = await freePort()
    await own.start(['--user', 'ann', '--pass', 'secret', '-m', String(port)])
    await eventually(async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/varz`)
      return ((await answer.json()) as { total_connections: number }).total_connections > 8
    }, 'it has been refused some times')
    assert.equal(bus.healthy, false)
    await own.kill()
    await own.start()
    await eventually(() => bus.healthy, 'it is back')
  })

  test('a server that takes only small messages is refused, and one met later gets none that are larger', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'nitka-nats-'))
    t.after(() => rm(folder, { recursive: true }))
    const file = join(folder, 'nats.conf')
    await writeFile(file, 'max_payload: 1000')
    const own = await TestNats.start(t)
    const bus = await NatsBus.open({ url: own.url, ...quiet })
    t.after(() => bus.close())
    await own.kill()
    await own.start(['-c', file])
    await assert.rejects(NatsBus.open({ url: own.url, ...quiet }), { message: /at most 1000 bytes/ })
    await eventually(() => bus.healthy, 'the other is connected')
    bus.publish('s', new Uint8Array(1_001))
    assert.equal(bus.dropped, 1)
  })
}
