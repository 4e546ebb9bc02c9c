// A real browser for tests: Debian's Chromium, driven by playwright-core.

import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { type Browser, chromium, type Page } from 'playwright-core'
import { startPatience } from './eventually.ts'

const executablePath = '/usr/bin/chromium'

/** Why a browser test cannot run here; undefined when it can, or when it must. */
export function noBrowser(): string | undefined {
  if (existsSync(executablePath) || process.env.CI !== undefined) return undefined
  return `there is no ${executablePath}; install Debian's package chromium`
}

/** Opens pages that share nothing with each other; closed with the test. */
export async function openBrowser(t: TestContext): Promise<{ page: (url: string) => Promise<Page>; browser: Browser }> {
  const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update']
  const flags = [...args, '--disable-sync', '--no-first-run']
  const browser = await chromium.launch({ executablePath, args: flags, timeout: startPatience })
  t.after(() => browser.close())
  const page = async (url: string): Promise<Page> => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 760 } })
    context.setDefaultTimeout(startPatience)
    const opened = await context.newPage()
    await opened.goto(url)
    return opened
  }
  return { page, browser }
}
