// Goal: what was confirmed survives `kill -9`, once and in order. Method: a server as a process, killed under load on one
// data folder again and again; afterwards the histories are compared with what clients were told.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startProcess } from '../testing/process.ts'
import { ask, connect, temporaryFolder } from '../testing/server.ts'

test('300 messages for somebody who is away are there in order after kill -9', async (t) => {
  const data = await temporaryFolder(t)
  const first = await startProcess(t, data)
  const anna = await connect(t, first.url, '/ws?user=anna')
  for (let i = 0; i < 300; i++) anna.send({ fromUser: 'anna', toUser: 'bert', message: i })
  await anna.take(300)
  await first.kill()
  const second = await startProcess(t, data)
  const bert = await connect(t, second.url, '/ws?user=bert')
  const got = (await bert.jsons(300)).map(({ message, offset }) => [message, offset])
  assert.deepEqual(
    got,
    Array.from({ length: 300 }, (_, i) => [i, i + 1]),
  )
})

test('killed under load, five times over: everything confirmed is there once and in order, repeats double nothing', async (t) => {
  const data = await temporaryFolder(t)
  const senders = ['a', 'b', 'c', 'd']
  /** Sender → the numbers that were confirmed, and all that were ever sent. */
  const confirmed = new Map(senders.map((name) => [name, new Set<number>()]))
  const next = new Map(senders.map((name) => [name, 0]))
  const unknown = new Map(senders.map((name) => [name, [] as number[]]))
  for (let cycle = 0; cycle < 5; cycle++) {
    const server = await startProcess(t, data)
    const load = senders.map(async (name) => {
      const client = await connect(t, server.url, `/ws?user=${name}`)
      const message = (number: number): object => ({
        fromUser: name,
        toUser: 'x',
        message: number,
        id: `${name}-${number}`,
      })
      const pending: number[] = []
      const send = (number: number): void => {
        pending.push(number)
        client.send(message(number))
      }
      for (const number of unknown.get(name) ?? []) send(number)
      unknown.set(name, pending)
      for (;;) {
        while (pending.length < 20) {
          const number = next.get(name) ?? 0
          next.set(name, number + 1)
          send(number)
        }
        const [answer] = await client.take(1)
        assert.equal(answer, 'ok')
        confirmed.get(name)?.add(pending.shift() ?? -1)
      }
    })
    const ended = Promise.allSettled(load)
    const before = senders.reduce((sum, name) => sum + (confirmed.get(name)?.size ?? 0), 0)
    while (senders.reduce((sum, name) => sum + (confirmed.get(name)?.size ?? 0), 0) < before + 300 + cycle * 97) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    await server.kill()
    for (const one of await ended) assert.match(String(one.status === 'rejected' && one.reason), /closed while waiting/)
  }
  const server = await startProcess(t, data)
  for (const name of senders) {
    const history: number[] = []
    for (let after: number | null = 0; after !== null; ) {
      const page: { messages: { message: number }[]; next: number | null } = (
        await ask(server.url, 'GET', `/ws/history?user=x&with=${name}&after=${after}&limit=500`)
      ).body
      history.push(...page.messages.map(({ message }) => message))
      after = page.next
    }
    assert.equal(new Set(history).size, history.length, `${name}: a message is there twice`)
    const known = confirmed.get(name) ?? new Set()
    for (const number of known) assert.ok(history.includes(number), `${name}: ${number} was confirmed and is gone`)
    assert.ok(
      history.every((number) => number < (next.get(name) ?? 0)),
      `${name}: a message that nobody sent`,
    )
    assert.deepEqual(
      history,
      [...history].sort((a, b) => a - b),
      `${name}: out of order`,
    )
  }
})
