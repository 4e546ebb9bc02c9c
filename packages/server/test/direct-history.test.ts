// Paging through one's own messages: nothing twice, nothing left out, never somebody else's.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Started, start } from '../testing/server.ts'

type Page = { messages: { message: number; offset: number }[]; next: number | null }

/** All messages that a query leads to, page by page. */
async function walk({ ask }: Started, query: string, bound: 'after' | 'before'): Promise<number[]> {
  const all: number[] = []
  let next: number | null = bound === 'after' ? 0 : Number.MAX_SAFE_INTEGER
  for (let pages = 0; next !== null; pages++) {
    assert.ok(pages < 1_000, 'it ends')
    const { status, body }: { status: number; body: Page } = await ask('GET', `/ws/history?${query}&${bound}=${next}`)
    assert.equal(status, 200)
    const offsets = body.messages.map(({ offset }) => offset)
    assert.deepEqual(
      offsets,
      [...offsets].sort((a, b) => a - b),
      'oldest first',
    )
    const texts = body.messages.map(({ message }) => message)
    if (bound === 'after') all.push(...texts)
    else all.unshift(...texts)
    next = body.next
  }
  return all
}

test('every filter, page size and direction leads to the same messages, also over stretches that hold none of them', async (t) => {
  const started = await start(t)
  const { direct } = started.server
  const want: Record<string, number[]> = { '': [], 'with=c': [], 'with=d': [], 'kind=system': [], 'kind=user': [] }
  const count = async (message: number, ...filters: string[]) => {
    for (const filter of ['', ...filters]) want[filter]?.push(message)
  }
  let number = 0
  const system = async (times: number) => {
    for (let i = 0; i < times; i++) {
      await direct.sendSystem({ toUser: 'b', message: ++number })
      await count(number, 'kind=system')
    }
  }
  const user = async (fromUser: string, toUser: string, partner: string) => {
    await direct.sendUser({ fromUser, toUser, message: ++number })
    await count(number, `with=${partner}`, 'kind=user')
  }
  await user('c', 'b', 'c')
  await system(25)
  await user('b', 'd', 'd')
  await user('b', 'c', 'c')
  await system(60)
  await user('d', 'b', 'd')
  await system(7)
  await direct.sendUser({ fromUser: 'c', toUser: 'd', message: 'not mine' })
  for (const [filter, messages] of Object.entries(want)) {
    for (const limit of [1, 3, 50, 500]) {
      for (const bound of ['after', 'before'] as const) {
        const query = `user=b&limit=${limit}&${filter}`
        assert.deepEqual(await walk(started, query, bound), messages, `${query} ${bound}`)
      }
    }
  }
})

test('a page that holds only what was left out still says where to go on, over rpc too', async (t) => {
  const { connect, server } = await start(t)
  await server.direct.sendUser({ fromUser: 'c', toUser: 'b', message: 'far back' })
  for (let i = 0; i < 5; i++) await server.direct.sendSystem({ toUser: 'b', message: i })
  const bert = await connect('/ws?user=b', { protocols: ['nitka.rpc.v1'] })
  const newest = await bert.call('direct.history', { kind: 'user', limit: 3 })
  assert.deepEqual(newest, { messages: [], next: 4 })
  const older = await bert.call('direct.history', { kind: 'user', limit: 3, before: newest.next })
  assert.deepEqual([older.messages.length, older.next], [1, null])
})
