import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { type TemporaryServer, temporaryServer } from 'nitka/testing'
import { runToEnd } from '../testing/program.ts'

/** Why a test cannot run here; false when it can, or when it must. */
function missing(program: string): string | false {
  const there = spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
  return there || process.env.CI !== undefined ? false : `there is no ${program}`
}

function start(): Promise<TemporaryServer> {
  return temporaryServer({ socketHost: '127.0.0.1', socketPort: 0 })
}

/** What talks to this machine goes through no proxy. */
const env = { no_proxy: '*' }

test('curl: messages, a room, a task', { skip: missing('curl') }, async (t) => {
  await using app = await start()
  const output = await runToEnd(t, 'without-library/curl.sh', { program: 'sh', args: [app.server.url], env })
  assert.match(output, /"fromUser":"anna","toUser":"bert","message":"hello"/)
  assert.match(output, /"offset":1.*"message":"Who is in\?"/)
  assert.match(output, /^data: \{"Id":"\w{20}","Period":417,"Attempt":1/m)
  assert.match(output, /\{"done":1,"unknown":0\}\n$/)
})

test('nc: a hold lasts as long as its connection', { skip: missing('nc') }, async (t) => {
  await using app = await start()
  const args = ['127.0.0.1', String(app.server.socketPort)]
  const lines = (await runToEnd(t, 'without-library/nc.sh', { program: 'sh', args, env })).trim().split('\n')
  const answers = new Map<number, any>()
  for (const line of lines) {
    const { queryIndex, resultJob } = JSON.parse(line)
    if (resultJob !== undefined) answers.set(queryIndex, resultJob)
  }
  assert.equal(answers.get(1).pong, 1)
  assert.equal(answers.get(3).resources.length, 1)
  assert.equal(answers.get(5).free, 2)
})

test('the WebSocket of the platform: who was away finds what was sent', async (t) => {
  await using app = await start()
  const url = app.server.url.replace('http', 'ws')
  const output = await runToEnd(t, 'without-library/websocket.mjs', { args: [url] })
  assert.equal(output, 'anna is told: ok\nbert hears anna say: hello\n')
})

test('Python: a worker with the standard library', { skip: missing('python3') }, async (t) => {
  await using app = await start()
  const args = [app.server.url, String(app.server.socketPort)]
  const output = await runToEnd(t, 'without-library/worker.py', { program: 'python3', args, env })
  assert.match(output, /^has the only one with token \d+\n/)
  for (const number of [1, 2, 3, 4, 5]) assert.match(output, new RegExp(`^${number} squared is ${number ** 2}$`, 'm'))
  assert.deepEqual(
    app.server.tasks.queues().map(({ queue, done, leased, ready }) => [queue, done, leased, ready]),
    [['squares', 5, 0, 0]],
  )
})
