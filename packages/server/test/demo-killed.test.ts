// Goal: the demo is killed and started again, and a page that was open goes on, with nothing lost and nothing twice.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { noBrowser, openBrowser } from '../testing/browser.ts'
import { eventually, startPatience } from '../testing/eventually.ts'
import { type CommandProcess, startCommand } from '../testing/process.ts'
import { temporaryFolder } from '../testing/server.ts'

const skip = noBrowser() ?? false

async function startDemo(t: TestContext, data: string, port: string): Promise<CommandProcess & { url: string }> {
  const flags = ['--port', port, '--socket-port', '0', '--data', data, '--reserve-bytes', '0', '--log-level', 'fatal']
  const demo = startCommand(t, ['demo', ...flags, '--generate', ''])
  const url = (): string | undefined => /listens at (\S+)\n/.exec(demo.output())?.[1]
  await eventually(() => url() !== undefined, `the demo to listen: ${demo.errors()}`, startPatience)
  return Object.assign(demo, { url: url() ?? '' })
}

test('a page outlives a kill -9 of the demo: all that was said is there once, and seats can be held on', {
  skip,
}, async (t) => {
  const data = await temporaryFolder(t)
  const demo = await startDemo(t, data, '0')
  const { page: open } = await openBrowser(t)
  const tab = await open(`${demo.url}/?user=anna`)
  const errors: string[] = []
  tab.on('pageerror', (error) => void errors.push(error.message))
  const say = async (form: string, fields: Record<string, string>): Promise<void> => {
    for (const [name, value] of Object.entries(fields)) await tab.fill(`#${form} [name=${name}]`, value)
    await tab.click(`#${form} button`)
  }
  const sees = (list: string, text: string): Promise<void> =>
    tab.locator(`#${list} li:not(.waiting)`, { hasText: text }).first().waitFor()
  const token = async (): Promise<number> =>
    Number(
      /token (\d+)/.exec(
        await tab
          .locator('#holds li', { has: tab.locator('button') })
          .first()
          .innerText(),
      )?.[1],
    )

  await say('roomForm', { text: 'good morning' })
  await say('directForm', { to: 'ola', text: 'hello' })
  await sees('room', 'good morning')
  await sees('direct', 'Thank you!')
  await tab.click('#hold [data-count="2"]')
  await tab.locator('#holds button').waitFor()
  const first = await token()

  await demo.kill()
  await tab.locator('#state.waiting, #state.connecting').first().waitFor()
  await say('roomForm', { text: 'while it was away' })
  await say('directForm', { to: 'bert', text: 'also while it was away' })
  await startDemo(t, data, new URL(demo.url).port)

  await tab.locator('#state.live').waitFor()
  await sees('room', 'while it was away')
  await sees('direct', 'also while it was away')
  await say('roomForm', { text: 'after' })
  await sees('room', 'after')
  const said = await tab.locator('#room li').allInnerTexts()
  for (const text of ['This is the lobby', 'good morning', 'while it was away', 'after'])
    assert.equal(said.filter((one) => one.includes(text)).length, 1, `${text} in ${said.join('\n')}`)
  const written = await tab.locator('#direct li').allInnerTexts()
  for (const text of ['hello', 'Thank you!', 'also while it was away'])
    assert.equal(written.filter((one) => one.includes(text)).length, 1, `${text} in ${written.join('\n')}`)

  await tab.locator('#free', { hasText: 'of 24 free' }).waitFor()
  // The first hold is there until its time, which may be over; the next one is a later one.
  await tab.click('#hold [data-count="1"]')
  await eventually(async () => {
    const tokens = await tab.locator('#holds li', { has: tab.locator('button') }).allInnerTexts()
    return tokens.some((text) => Number(/token (\d+)/.exec(text)?.[1]) > first)
  }, 'a larger token')
  assert.deepEqual(errors, [])
})
