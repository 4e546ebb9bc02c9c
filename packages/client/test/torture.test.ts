// What the library promises while everything around it breaks: the server is killed, started again and stopped for a while,
// connections are cut, cut short, silenced and delayed. Nothing is lost, nothing comes twice, order is kept.

import test from 'node:test'
import { build } from 'esbuild'
import { noBrowser, openBrowser } from '../../server/testing/browser.ts'
import { connect } from '../src/index.ts'
import { connect as connectTcp } from '../src/tcp.ts'
import { HarmedServer } from '../testing/harmed-server.ts'
import { count, faults, judge, quick, run } from '../testing/torture.ts'

test('10,000 messages each way over WebSocket come once and in order, whatever breaks', async (t) => {
  const server = await HarmedServer.start(t, { faults, seed: 1 })
  const url = `ws://127.0.0.1:${server.proxy.port}`
  await run(t, server, [connect(`${url}?user=anna`, quick), connect(`${url}?user=bert`, quick)])
})

test('10,000 messages each way over TCP come once and in order, whatever breaks', async (t) => {
  const server = await HarmedServer.start(t, { faults, seed: 2, tcp: true })
  const url = `tcp://127.0.0.1:${server.proxy.port}`
  await run(t, server, [connectTcp(url, { ...quick, token: 'anna' }), connectTcp(url, { ...quick, token: 'bert' })])
})

test('10,000 messages each way in a browser come once and in order, whatever breaks', {
  skip: noBrowser() ?? false,
}, async (t) => {
  const { outputFiles } = await build({
    entryPoints: [new URL('../testing/exchange-page.ts', import.meta.url).pathname],
    bundle: true,
    write: false,
  })
  const script = outputFiles[0]?.text ?? ''
  // The page is of another origin than the proxy.
  const server = await HarmedServer.start(t, { faults, seed: 3, flags: ['--origins', '*'] })
  const { page: open } = await openBrowser(t)
  const page = await open(`${server.url}/healthz`)
  await page.addScriptTag({ content: script })
  const url = `ws://127.0.0.1:${server.proxy.port}`
  const call = `runExchange(${JSON.stringify(url)}, ${JSON.stringify(quick)}, ${count})`
  await judge(t, server, () => page.evaluate(call))
})
