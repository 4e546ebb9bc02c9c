import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { noBrowser, openBrowser } from '../../packages/server/testing/browser.ts'
import { temporaryFolder } from '../../packages/server/testing/server.ts'
import { run } from '../testing/program.ts'

/** An expression of the page: whether something was drawn at a place of the board, 0 to 1 in both directions. */
function ink(x: number, y: number): string {
  const place = `${x * 1600 - 4}, ${y * 900 - 4}, 8, 8`
  return `document.querySelector('canvas').getContext('2d').getImageData(${place}).data.some((part) => part > 0)`
}

async function drawLine(page: Page, from: readonly [number, number], to: readonly [number, number]): Promise<void> {
  const box = await page.locator('canvas').boundingBox()
  if (box === null) throw new Error('the board is not shown')
  const at = ([x, y]: readonly [number, number]): [number, number] => [box.x + x * box.width, box.y + y * box.height]
  await page.mouse.move(...at(from))
  await page.mouse.down()
  await page.mouse.move(...at(to), { steps: 10 })
  await page.mouse.up()
}

test('a stroke is seen by the others, with the name of who draws', { skip: noBrowser() ?? false }, async (t) => {
  const server = run(t, 'whiteboard/server.ts', { env: { PORT: '0', DATA: await temporaryFolder(t) } })
  const [, url = ''] = await server.says(/Open (\S+)/)
  const { page } = await openBrowser(t)
  const [anna, bert] = [await page(`${url}/?user=anna`), await page(`${url}/?user=bert`)]
  for (const one of [anna, bert]) await one.locator('#state.live').waitFor()

  // A name is shown for a few seconds only, so they look before there is something to see.
  const named = [
    bert.locator('.cursor', { hasText: 'anna' }).waitFor(),
    anna.locator('.cursor', { hasText: 'bert' }).waitFor(),
  ]
  await drawLine(anna, [0.2, 0.5], [0.8, 0.5])
  await drawLine(bert, [0.5, 0.1], [0.5, 0.3])
  await Promise.all(named)
  for (const one of [anna, bert]) {
    await one.waitForFunction(ink(0.79, 0.5))
    await one.waitForFunction(ink(0.5, 0.29))
    assert.equal(await one.evaluate(ink(0.3, 0.2)), false)
  }
})
