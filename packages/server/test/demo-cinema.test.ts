// Goal: the cinema of the demo. What one tab holds all see; it ends with the tab; questions are answered in a line.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Page } from 'playwright-core'
import { openCinema, visitCinema } from '../src/cli/demo-cinema.ts'
import type { Server } from '../src/server.ts'
import { realWorld } from '../src/world.ts'
import { noBrowser, openBrowser } from '../testing/browser.ts'
import { ask, start } from '../testing/server.ts'

const skip = noBrowser() ?? false
const page = new URL('../demo/', import.meta.url)

/** Timers run, but no time goes by: no hold ends by its time, nor by the grace of a lost connection. */
function timeless() {
  const { clock, random } = realWorld()
  return { clock: { ...clock, now: () => Date.parse('2026-01-02T03:04:05Z'), monotonic: () => 0 }, random }
}

async function startCinema(t: TestContext): Promise<Server> {
  const { server } = await start(t, {}, { page, world: timeless() })
  await openCinema(server)
  return server
}

async function hold(tab: Page, count: number): Promise<void> {
  const releases = tab.locator('#holds button')
  const before = await releases.count()
  await tab.click(`#hold [data-count="${count}"]`)
  await releases.nth(before).waitFor()
}

/** Waits until the tab shows so many seats as held by somebody. */
async function seesHeld(tab: Page, holder: string, count: number): Promise<void> {
  const seats = tab.locator('#seats .held', { hasText: holder })
  if (count > 0) await seats.nth(count - 1).waitFor()
  await seats.nth(count).waitFor({ state: 'detached' })
}

test('seats that one tab holds are taken in another, until they are released or the tab is closed', {
  skip,
}, async (t) => {
  const server = await startCinema(t)
  const { page: open } = await openBrowser(t)
  const anna = await open(`${server.url}/?user=anna`)
  const bert = await open(`${server.url}/?user=bert`)
  await hold(anna, 2)
  assert.match(await anna.locator('#holds time').innerText(), /^\d+ s$/)
  await hold(bert, 1)
  await Promise.all([seesHeld(anna, 'you', 2), seesHeld(anna, 'bert', 1)])
  await Promise.all([seesHeld(bert, 'anna', 2), seesHeld(bert, 'you', 1)])
  await bert.locator('#free', { hasText: '21 of 24 free' }).waitFor()
  const { body } = await ask(server.url, 'POST', '/pools/status', { pool: 'cinema' })
  const { token } = body.holds.find(({ user }: { user: string }) => user === 'anna')
  await bert.locator('#holds li', { hasText: `token ${token}` }).waitFor()

  await hold(bert, 2)
  await bert
    .getByRole('button', { name: /^Release \w+, / })
    .first()
    .click()
  await Promise.all([seesHeld(anna, 'bert', 1), seesHeld(bert, 'you', 1), seesHeld(bert, 'anna', 2)])
  await anna.close()
  await seesHeld(bert, 'anna', 0)
  await seesHeld(bert, 'you', 1)
})

test('who wants more than there are gets none', { skip }, async (t) => {
  const server = await startCinema(t)
  for (let i = 0; i < 4; i++)
    await server.pools.acquire({ user: 'ola', owner: undefined }, { pool: 'cinema', count: 5 })
  const { page: open } = await openBrowser(t)
  const anna = await open(`${server.url}/?user=anna`)
  await seesHeld(anna, 'ola', 20)
  await anna.getByRole('button', { name: 'Hold 6 seats' }).click()
  await anna.locator('#heard', { hasText: 'There are no 6 free' }).waitFor()
  await hold(anna, 2)
  await anna.locator('#free', { hasText: '2 of 24 free' }).waitFor()
  await seesHeld(anna, 'you', 2)
})

test('what is asked fast waits in a line that one sees, and is answered in order', { skip }, async (t) => {
  const { server } = await start(t, {}, { page })
  const answers: ((answer: { price: number }) => void)[] = []
  server.requests.handle('quote', () => new Promise((resolve) => answers.push(resolve)))
  const { page: open } = await openBrowser(t)
  const anna = await open(`${server.url}/?user=anna`)
  for (let i = 0; i < 3; i++) await anna.click('#ask')
  await anna.locator('#queue', { hasText: '1 being answered, 2 wait' }).waitFor()
  assert.equal(answers.length, 1)
  const prices = anna.locator('#quotes li:not(.waiting)')
  for (const n of [1, 2, 3]) {
    await anna.locator('#queue', { hasText: `1 being answered, ${['0 wait', '1 waits', '2 wait'][3 - n]}` }).waitFor()
    answers.at(-1)?.({ price: 8 + n })
    await anna.locator('#quotes li:not(.waiting)', { hasText: `€ ${8 + n}.00` }).waitFor()
    assert.equal(await prices.count(), n)
  }
  await anna.locator('#queue', { hasText: 'Nobody asks now.' }).waitFor()
})

test('ben holds a few seats at most, and none when a visitor has taken many', async (t) => {
  const server = await startCinema(t)
  const held = async (user: string): Promise<number> => {
    const { body } = await ask(server.url, 'POST', '/pools/status', { pool: 'cinema' })
    const holds: { user: string; resources: string[] }[] = body.holds
    return holds.reduce((sum, one) => sum + (one.user === user ? one.resources.length : 0), 0)
  }
  for (let turn = 0; turn < 20; turn++) await visitCinema(server, turn)
  assert.ok((await held('ben')) > 0 && (await held('ben')) <= 24 * 0.25 + 3, `${await held('ben')}`)
  const before = await held('ben')
  await server.pools.acquire({ user: 'anna', owner: undefined }, { pool: 'cinema', count: 12 })
  await visitCinema(server, 1)
  assert.equal(await held('ben'), before)
  await openCinema(server)
  assert.equal(await held('anna'), 12, 'prepared again, the pool is what it was')
})
