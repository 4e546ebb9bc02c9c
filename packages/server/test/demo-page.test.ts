// Goal: the first page that a visitor sees works in a real browser, also when the server goes away and comes back.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Page } from 'playwright-core'
import { createServer, type Server } from '../src/server.ts'
import { noBrowser, openBrowser } from '../testing/browser.ts'
import { freePort } from '../testing/free-port.ts'
import { temporaryFolder } from '../testing/server.ts'

const skip = noBrowser() ?? false

async function startDemo(t: TestContext, data: string, port = 0): Promise<Server> {
  const page = new URL('../demo/', import.meta.url)
  const server = await createServer({ port, socketPort: 0, data, logLevel: 'fatal', reserveBytes: 0 }, { page })
  t.after(() => server.stop(0))
  return server
}

async function startWithLobby(t: TestContext, port = 0): Promise<{ server: Server; data: string }> {
  const data = await temporaryFolder(t)
  const server = await startDemo(t, data, port)
  await server.rooms.create('ola', { id: 'lobby', name: 'Lobby', open: true })
  return { server, data }
}

async function say(page: Page, form: string, fields: Record<string, string>): Promise<void> {
  for (const [name, value] of Object.entries(fields)) await page.fill(`#${form} [name=${name}]`, value)
  await page.click(`#${form} button`)
}

/** Waits until the list shows the text in an item that is on the server. */
async function sees(page: Page, list: string, text: string): Promise<void> {
  await page.locator(`#${list} li:not(.waiting)`, { hasText: text }).first().waitFor()
}

async function live(page: Page): Promise<void> {
  await page.locator('#state.live').waitFor()
}

test('two people in two tabs talk in the room, directly and in the relay', { skip }, async (t) => {
  const { server } = await startWithLobby(t)
  const { page } = await openBrowser(t)
  const anna = await page(`${server.url}/?user=anna`)
  const bert = await page(`${server.url}/?user=bert`)
  await Promise.all([live(anna), live(bert)])

  await say(anna, 'roomForm', { text: 'hello lobby' })
  await Promise.all([sees(anna, 'room', 'hello lobby'), sees(bert, 'room', 'hello lobby')])
  await bert.locator('#present', { hasText: 'anna' }).waitFor()

  await say(bert, 'directForm', { to: 'anna', text: 'just for you' })
  await sees(anna, 'direct', 'just for you')

  await say(anna, 'relayForm', { text: 'right now' })
  await sees(bert, 'relay', 'right now')
  assert.equal(await anna.locator('#relay li').count(), 1)
})

test('a direct message to somebody whose tab is closed is there when it opens', { skip }, async (t) => {
  const { server } = await startWithLobby(t)
  const { page } = await openBrowser(t)
  const anna = await page(`${server.url}/?user=anna`)
  await live(anna)
  await say(anna, 'directForm', { to: 'carl', text: 'read this later' })
  await sees(anna, 'direct', 'read this later')
  const carl = await page(`${server.url}/?user=carl`)
  await sees(carl, 'direct', 'read this later')
  await say(anna, 'directForm', { to: 'carl', text: 'and this now' })
  await sees(carl, 'direct', 'and this now')
  const expected = [/This waited for you/, /anna.*read this later/s, /anna.*and this now/s]
  const items = await carl.locator('#direct li').allInnerTexts()
  assert.equal(items.length, expected.length, items.join('\n'))
  for (const [i, text] of expected.entries()) assert.match(items[i] ?? '', text)
})

test('after a restart of the server a page shows what was missed, once', { skip }, async (t) => {
  const port = await freePort()
  const { server, data } = await startWithLobby(t, port)
  const { page } = await openBrowser(t)
  const anna = await page(`${server.url}/?user=anna`)
  await live(anna)
  await say(anna, 'roomForm', { text: 'before' })
  await sees(anna, 'room', 'before')
  await server.stop(0)
  await say(anna, 'roomForm', { text: 'while it was away' })
  const again = await startDemo(t, data, port)
  await again.rooms.send('ola', 'lobby', 'missed')
  await live(anna)
  for (const text of ['before', 'missed', 'while it was away']) {
    await sees(anna, 'room', text)
    assert.equal(await anna.locator('#room li', { hasText: text }).count(), 1, text)
  }
})

test('markup in a message stays text', { skip }, async (t) => {
  const { server } = await startWithLobby(t)
  const { page } = await openBrowser(t)
  const anna = await page(`${server.url}/?user=anna`)
  await live(anna)
  await say(anna, 'roomForm', { text: '<img src=x onerror="document.title=1">' })
  await sees(anna, 'room', '<img src=x')
  assert.equal(await anna.locator('#room img').count(), 0)
  assert.equal(await anna.title(), 'Nitka demo')
})

test('an empty page says what to do, and fits a telephone', { skip }, async (t) => {
  const { server } = await startWithLobby(t)
  const { page } = await openBrowser(t)
  const anna = await page(`${server.url}/?user=anna`)
  await anna.setViewportSize({ width: 400, height: 800 })
  await live(anna)
  const empty = (id: string): Promise<string> =>
    anna.evaluate(`getComputedStyle(document.querySelector('${id}'), '::after').content`)
  assert.match(await empty('#direct'), /Write to ola/)
  assert.match(await empty('#board'), /Draw here/)
  assert.match(await empty('#holds'), /Hold some/)
  assert.match(await empty('#quotes'), /Ask several times/)
  await anna.locator('#free', { hasText: 'no cinema here' }).waitFor()
  const size = await anna.evaluate(`(() => {
    const counts = document.querySelector('.counts')
    return [document.documentElement.scrollWidth, counts.scrollWidth - counts.clientWidth]
  })()`)
  assert.deepEqual(size, [400, 0])
  await anna.locator('#canvas').click({ position: { x: 30, y: 30 } })
  await anna.mouse.down()
  await anna.mouse.move(120, 120, { steps: 3 })
  await anna.mouse.up()
  assert.equal(await empty('#board'), 'none')
  await anna.setViewportSize({ width: 600, height: 800 })
  assert.equal(await empty('#board'), 'none', 'what was drawn survives another size')
  const [second] = await Promise.all([anna.context().waitForEvent('page'), anna.click('header a')])
  await live(second)
  assert.notEqual(await second.inputValue('#name'), 'anna')
})
