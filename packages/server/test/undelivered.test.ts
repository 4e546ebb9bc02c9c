// The application is told of messages that stay undelivered: at least once, also over a restart.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createServer as createHttp } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { SimulatedClock } from '../testing/clock.ts'
import { eventually } from '../testing/eventually.ts'
import { stillWorld } from '../testing/far-clock.ts'
import { start, temporaryFolder } from '../testing/server.ts'

interface Application {
  readonly url: string
  readonly told: { user: string; messages: { message: unknown; id: string }[] }[]
  /** How many posts it refuses before it accepts. */
  refusals: number
  /** The user whose posts are answered with 400. */
  unwanted: string
  signed: boolean
}

async function application(t: TestContext): Promise<Application> {
  const told: Application['told'] = []
  const state = { refusals: 0, signed: true, unwanted: '' }
  const http = createHttp(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    state.signed &&= request.headers['nitka-signature'] === createHmac('sha256', 'secret').update(body).digest('hex')
    if (state.refusals-- > 0) return void response.writeHead(500).end()
    const post = JSON.parse(body)
    if (post.user === state.unwanted) return void response.writeHead(400).end()
    told.push(post)
    response.writeHead(204).end()
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  t.after(() => http.close())
  return Object.assign(state, { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/push`, told })
}

test('messages that nobody took are told, signed and until accepted; delivered ones are not', async (t) => {
  const app = await application(t)
  app.refusals = 1
  const clock = new SimulatedClock()
  const wishes = { webhookUrl: app.url, webhookAfterMs: 0, webhookSecret: 'secret' }
  const { server, connect } = await start(t, wishes, { world: stillWorld(clock) })
  const bert = await connect('/ws?user=bert')
  await server.direct.sendUser({ fromUser: 'anna', toUser: 'bert', message: 'seen' })
  await bert.json()
  const carl = await server.direct.sendUser({ fromUser: 'anna', toUser: 'carl', message: 'unseen' })
  await server.direct.sendSystem({ toUser: 'carl', message: 'unseen too' })
  const told = (): boolean => {
    clock.advance(1_000)
    return app.told.length > 0
  }
  await eventually(told, 'the post')
  assert.deepEqual(
    app.told.map(({ user }) => user),
    ['carl'],
  )
  assert.deepEqual(
    app.told[0]?.messages.map(({ message }) => message),
    ['unseen', 'unseen too'],
  )
  assert.equal(app.told[0]?.messages[0]?.id, carl.id)
  assert.ok(app.signed)
})

test('what was not told before a restart is told after it', async (t) => {
  const app = await application(t)
  const data = await temporaryFolder(t)
  const first = await start(t, { data, webhookUrl: app.url, webhookAfterMs: 3_600_000 })
  await first.server.direct.sendUser({ fromUser: 'anna', toUser: 'carl', message: 'unseen' })
  await first.server.stop(0)
  assert.equal(app.told.length, 0)
  await start(t, { data, webhookUrl: app.url, webhookAfterMs: 0 })
  await eventually(() => app.told.length === 1, 'the post')
  assert.equal(app.told[0]?.messages[0]?.message, 'unseen')
})

test('the notes for the webhook are nobody’s messages, and no user’s name reaches them', async (t) => {
  const app = await application(t)
  const { server, ask } = await start(t, { webhookUrl: app.url, webhookAfterMs: 0 })
  await server.direct.sendUser({ fromUser: 'anna', toUser: 'undelivered', message: 'mine' })
  await server.direct.sendUser({ fromUser: 'anna', toUser: 'carl', message: 'secret' })
  await eventually(() => app.told.length === 2, 'both posts')
  const { messages } = (await ask('GET', '/ws/history?user=undelivered')).body
  assert.deepEqual(
    messages.map(({ message }: { message: string }) => message),
    ['mine'],
  )
})

test('a user whom the application refuses to hear of holds up nobody else', async (t) => {
  const app = await application(t)
  app.unwanted = 'carl'
  const { server } = await start(t, { webhookUrl: app.url, webhookAfterMs: 0 })
  for (const toUser of ['carl', 'dora']) await server.direct.sendUser({ fromUser: 'anna', toUser, message: 'hi' })
  await eventually(() => app.told.length === 1, 'the other post')
  assert.equal(app.told[0]?.user, 'dora')
})
