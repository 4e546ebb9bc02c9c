import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Page } from 'playwright-core'
import { noBrowser, openBrowser } from '../../packages/server/testing/browser.ts'
import { temporaryFolder } from '../../packages/server/testing/server.ts'
import { type Program, run } from '../testing/program.ts'

const skip = noBrowser() ?? false

interface Chat {
  readonly url: string
  readonly program: Program
}

/** Starts the example, on a free port unless it is to come back on the one that it had. */
async function startChat(t: TestContext, data: string, port = '0'): Promise<Chat> {
  const program = run(t, 'browser-chat/server.ts', { env: { PORT: port, DATA: data } })
  const [, url = ''] = await program.says(/Open (\S+)/)
  return { url, program }
}

async function live(page: Page): Promise<void> {
  await page.locator('#state.live').waitFor()
}

async function say(page: Page, text: string): Promise<void> {
  await page.fill('#say input', text)
  await page.press('#say input', 'Enter')
}

/** Waits until the page shows a stored message, and checks that it is there once. */
async function sees(page: Page, text: string): Promise<void> {
  await page.locator('#log li:not(.waiting) p', { hasText: text }).first().waitFor()
  assert.equal(await page.locator('#log li p', { hasText: text }).count(), 1, text)
}

test('two people chat, see each other and who is typing', { skip }, async (t) => {
  const { url } = await startChat(t, await temporaryFolder(t))
  const { page } = await openBrowser(t)
  const anna = await page(url)
  await anna.fill('#hello input', 'anna')
  await anna.press('#hello input', 'Enter')
  await live(anna)
  const bert = await page(`${url}/?user=bert`)
  await live(bert)
  await say(anna, 'is <b>anybody</b> there?')
  await sees(bert, 'is <b>anybody</b> there?')
  await anna.locator('#people', { hasText: 'bert' }).waitFor()
  // It is shown for a few seconds only, so she looks before there is something to see.
  const typing = anna.locator('#typing', { hasText: 'bert is typing' }).waitFor()
  await bert.locator('#say input').pressSequentially('I')
  await typing
  await say(bert, 'I am')
  await sees(anna, 'I am')
})

test('a room that one looks away from counts what is new, and shows its past', { skip }, async (t) => {
  const { url } = await startChat(t, await temporaryFolder(t))
  const { page } = await openBrowser(t)
  const anna = await page(`${url}/?user=anna#tea`)
  await live(anna)
  for (let i = 1; i <= 40; i++) await say(anna, `message ${i}.`)
  await sees(anna, 'message 40.')
  const bert = await page(`${url}/?user=bert#tea`)
  await sees(bert, 'message 40.')
  assert.equal(await bert.locator('#log p', { hasText: 'message 10.' }).count(), 0)
  await bert.click('#earlier')
  await sees(bert, 'message 1.')

  await bert.fill('#other input', 'coffee')
  await bert.press('#other input', 'Enter')
  await bert.locator('#rooms [aria-current]', { hasText: 'coffee' }).waitFor()
  await say(anna, 'still here?')
  await bert.locator('#rooms a', { hasText: '1 new' }).click()
  await sees(bert, 'still here?')
  await bert.locator('#rooms b').waitFor({ state: 'detached' })
})

test('the server is killed and started again: nothing is lost, nothing comes twice', { skip }, async (t) => {
  const data = await temporaryFolder(t)
  const { url, program } = await startChat(t, data)
  const { page } = await openBrowser(t)
  const [anna, bert] = [await page(`${url}/?user=anna`), await page(`${url}/?user=bert`)]
  await say(anna, 'before')
  await sees(bert, 'before')

  await program.kill()
  await say(anna, 'without a server')
  await say(bert, 'me too')
  await anna.locator('#log .waiting', { hasText: 'without a server' }).waitFor()
  await anna.locator('#state', { hasText: '1 to send' }).waitFor()
  // Bert's tab goes elsewhere with what it has not sent, and comes back later.
  await bert.goto('about:blank')

  await startChat(t, data, new URL(url).port)
  await live(anna)
  await bert.goto(`${url}/?user=bert`)
  for (const text of ['before', 'without a server', 'me too']) {
    await sees(anna, text)
    await sees(bert, text)
  }
})
