// Direct messages with a real server: what counts as delivered, whatever happens to the client.

import assert from 'node:assert/strict'
import test from 'node:test'
import { start } from '../../server/testing/server.ts'
import { connect } from '../src/index.ts'
import { FaultProxy } from '../testing/fault-proxy.ts'

test('what an application has not confirmed comes again when it starts anew, also when the connection was lost before', async (t) => {
  const { server } = await start(t)
  const port = Number(new URL(server.url).port)
  const proxy = await FaultProxy.start(() => port, { lifeMs: 1, delayMs: 0, acceptMs: 0 }, 1)
  proxy.calm()
  t.after(() => proxy.close())
  const open = async () => {
    const nitka = connect(`ws://127.0.0.1:${proxy.port}?user=bert`, { retryBaseMs: 10 })
    t.after(() => nitka.close())
    return { nitka, inbox: await nitka.direct.open({ confirm: 'manual' }) }
  }
  const first = await open()
  const heard: unknown[] = []
  const taken = async (count: number): Promise<void> => {
    while (heard.length < count) await new Promise<void>((resolve) => void first.inbox.on('message', () => resolve()))
  }
  first.inbox.on('message', ({ message }) => heard.push(message))
  await server.direct.sendUser({ fromUser: 'anna', toUser: 'bert', message: 1 })
  await taken(1)
  const back = new Promise<void>((resolve) => void first.inbox.on('resumed', () => resolve()))
  proxy.cut()
  await back
  await server.direct.sendUser({ fromUser: 'anna', toUser: 'bert', message: 2 })
  await taken(2)
  first.nitka.close()
  await server.direct.sendUser({ fromUser: 'anna', toUser: 'bert', message: 3 })
  const { inbox } = await open()
  const again: unknown[] = []
  for await (const { message, offset } of inbox.messages()) {
    again.push(message)
    if (offset === 3) break
  }
  assert.deepEqual(again, [1, 2, 3])
})
