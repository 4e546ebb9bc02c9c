// Every route as it is documented, found by asking the server for its own list.

import assert from 'node:assert/strict'
import { connect as connectTcp } from 'node:net'
import { test } from 'node:test'
import { type Started, start } from '../testing/server.ts'

interface Operation {
  readonly parameters?: readonly { name: string; in: string; schema: { type?: string } }[]
  readonly requestBody?: unknown
  readonly responses?: Record<string, unknown>
}

/** Each documented route as method, path with its parameters filled in, and description. */
async function routes({ ask }: Started): Promise<{ method: string; path: string; operation: Operation }[]> {
  const { paths } = (await ask('GET', '/openapi.json')).body
  const values: Record<string, string> = { room: 'tea', user: 'ann', id: 'dc0d88oroq31h5rfj6ig' }
  return Object.entries(paths as Record<string, Record<string, Operation>>).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path: path.replaceAll(/\{(\w+)\}/g, (_, name) => values[name] ?? 'x'),
      operation,
    })),
  )
}

test('the document lists every route that the server has, and each of them answers', async (t) => {
  const started = await start(t)
  const { server, ask } = started
  await server.rooms.create('ann', { id: 'tea', name: 'Tea' })
  const documented = await routes(started)
  const hidden = ['/openapi.json', '/asyncapi.json', '/nitka.js', '/', '*']
  const lines = server.http.printRoutes({ commonPrefix: false, includeHooks: false }).split('\n')
  const found: string[] = []
  const stack: string[] = []
  for (const line of lines) {
    const at = line.search(/[├└]── /)
    if (at < 0) continue
    const [, part = '', methods = ''] = /── (\S+) \(([^)]*)\)/.exec(line) ?? /── (\S+)/.exec(line) ?? []
    stack.length = at / 4
    stack.push(part)
    const path = stack.join('').replaceAll(/:(\w+)/g, '{$1}')
    for (const method of methods.split(', ')) {
      if (method !== '' && method !== 'HEAD' && !hidden.includes(path)) found.push(`${method} ${path}`)
    }
  }
  const { paths } = (await ask('GET', '/openapi.json')).body
  const listed = Object.entries(paths as Record<string, object>).flatMap(([path, one]) =>
    Object.keys(one).map((method) => `${method.toUpperCase()} ${path}`),
  )
  assert.ok(found.length >= 18, found.join())
  assert.deepEqual(listed.sort(), found.sort())
  for (const { method, path, operation } of documented) {
    const body = operation.requestBody === undefined ? undefined : {}
    const answer = await ask(method, `${path}${path.startsWith('/trace') ? '?room=tea' : '?user=ann'}`, body)
    assert.ok(
      answer.status < 500 && !/nothing is served/.test(answer.body?.detail ?? '') && answer.status !== 405,
      `${method} ${path} ${answer.status}`,
    )
    if (body !== undefined && !/\/(bury|list|tickets)$/.test(path))
      assert.equal(answer.status, 400, `${method} ${path} takes an empty object`)
  }
})

test('a number in a query is an integer within its bounds on every route, or a refusal that names it', async (t) => {
  const started = await start(t)
  const { server, ask } = started
  await server.rooms.create('ann', { id: 'tea', name: 'Tea' })
  let asked = 0
  for (const { method, path, operation } of await routes(started)) {
    for (const { name, schema, in: where } of operation.parameters ?? []) {
      if (where !== 'query' || schema.type !== 'integer') continue
      const wrong = ['1.5', '1e3', '%201', '1%20', '-1', '9007199254740993', '9'.repeat(400), 'x', '', '0x10', '%2B1']
      for (const value of [...wrong, 'NaN', 'null', '1&_=1'.replace('_', name)]) {
        const { status, body, type } = await ask(method, `${path}?user=ann&${name}=${value}`)
        assert.deepEqual([status, body.field], [400, name], `${path} ${name}=${value.slice(0, 40)}`)
        assert.match(type, /problem\+json/)
        asked++
      }
    }
  }
  assert.ok(asked > 50)
})

test('odd content types never skip validation, on any route that takes a body', async (t) => {
  const started = await start(t)
  const { server, ask } = started
  await server.rooms.create('ann', { id: 'tea', name: 'Tea' })
  const { host, hostname, port } = new URL(server.url)
  const types = [
    ' application/json;',
    'application/json;',
    'application/json\t',
    '\tapplication/json',
    'application/json ; charset=utf-8',
    'APPLICATION/JSON',
    'application/json, text/plain',
    'application/jsonx',
    'application/problem+json',
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
    '*/*',
    ';',
  ]
  const body = '{"unknown":1}'
  for (const { method, path, operation } of await routes(started)) {
    if (operation.requestBody === undefined) continue
    for (const type of [...types, undefined]) {
      const header = type === undefined ? '' : `Content-Type:${type}\r\n`
      const head = `${method} ${path}?user=ann HTTP/1.1\r\nHost: ${host}\r\n${header}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`
      const socket = connectTcp(Number(port), hostname)
      socket.end(head + body)
      let text = ''
      for await (const chunk of socket) text += chunk
      assert.match(text, /^HTTP\/1\.1 4(00|15) /, `${path} ${JSON.stringify(type)}`)
    }
  }
  assert.equal((await ask('GET', '/rooms?user=ann')).body.rooms.length, 1)
})

test('a body of one mebibyte is read, and one more byte is refused', async (t) => {
  const { ask } = await start(t)
  const body = (bytes: number): string => {
    const text = '{"toUser":"b","message":"m","padding":""}'
    return text.replace('""', `"${'x'.repeat(bytes - text.length)}"`)
  }
  const limit = 2 ** 20
  const whole = await ask('POST', '/messages/system', body(limit))
  assert.equal(whole.status, 201, JSON.stringify(whole.body))
  const over = await ask('POST', '/messages/system', body(limit + 1))
  assert.deepEqual([over.status, over.body.code], [413, 'too-large'])
})

test('a send over http that is repeated is answered as the first time, and stored once', async (t) => {
  const { ask, server } = await start(t)
  await server.rooms.create('ann', { id: 'tea', name: 'Tea' })
  const sends: [string, object, object][] = [
    ['/messages/user', { fromUser: 1, toUser: 2, message: 'm', id: 'i' }, { message: 'other' }],
    ['/messages/system', { toUser: 2, message: 'm', data: 1, id: 'i' }, { data: 2 }],
    ['/rooms/tea/messages?user=ann', { message: 'm', clientId: 'i' }, { message: 'other' }],
  ]
  for (const [path, body, other] of sends) {
    const many = await Promise.all(Array.from({ length: 8 }, () => ask('POST', path, body)))
    assert.deepEqual(many.map(({ status }) => status).sort(), [...Array(7).fill(200), 201], path)
    assert.equal(new Set(many.map(({ body: answer }) => `${answer.id} ${answer.offset}`)).size, 1)
    assert.deepEqual((await ask('POST', path, { ...body, ...other })).body.code, 'conflict')
  }
  assert.equal((await ask('GET', '/ws/history?user=2')).body.messages.length, 2)
  assert.equal((await ask('GET', '/rooms/tea/messages?user=ann')).body.messages.length, 1)
})

test('a batch that is repeated changes nothing, and one of which a part was stored before stores the rest', async (t) => {
  const { ask, server } = await start(t)
  await server.rooms.create('ann', { id: 'tea', name: 'Tea' })
  const operations = [
    { user: { fromUser: 1, toUser: 2, message: 'a', id: 'a' } },
    { room: { room: 'tea', from: 'ann', message: 'b', clientId: 'b' } },
    { system: { toUser: 2, message: 'c', id: 'c' } },
  ]
  assert.equal((await ask('POST', '/batch', { operations: operations.slice(0, 1) })).status, 201)
  const first = (await ask('POST', '/batch', { operations })).body.results
  const again = (await ask('POST', '/batch', { operations })).body.results
  const repeats = (results: { repeated: boolean }[]) => results.map(({ repeated }) => repeated)
  assert.deepEqual(
    [repeats(first), repeats(again)],
    [
      [true, false, false],
      [true, true, true],
    ],
  )
  const places = (results: { id: string; offset: number }[]) => results.map(({ id, offset }) => [id, offset])
  assert.deepEqual(places(again), places(first))
  const twice = await ask('POST', '/batch', { operations: [operations[0], operations[0], { ...operations[2] }] })
  assert.deepEqual(repeats(twice.body.results), [true, true, true])
  const conflict = [
    { user: { fromUser: 1, toUser: 2, message: 'x', id: 'x' } },
    { user: { fromUser: 1, toUser: 2, message: 'y', id: 'x' } },
  ]
  assert.equal((await ask('POST', '/batch', { operations: conflict })).status, 409)
  assert.equal((await ask('GET', '/ws/history?user=2')).body.messages.length, 2)
  assert.equal((await ask('POST', '/batch', { operations: Array(501).fill(operations[0]) })).status, 400)
})
