// The packages as a stranger gets them: packed, installed into an empty project, and used as their READMEs say.

import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { eventually, startPatience } from '../packages/server/testing/eventually.ts'
import { freePort } from '../packages/server/testing/free-port.ts'
import { build } from './build.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const run = promisify(execFile)

/** The TypeScript of a document, block by block. */
async function snippets(document: string): Promise<string[]> {
  const text = await readFile(join(root, document), 'utf8')
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code)
}

/** The blocks of a guide leave out what an earlier one has shown: each becomes a function that has it, with `known` above all. */
async function guideAsOneFile(
  document: string,
  known: (blocks: readonly string[]) => readonly string[],
): Promise<string> {
  const blocks = (await snippets(document)).map((code) => code.replaceAll(/^import .*$/gm, ''))
  assert.ok(blocks.length >= 5)
  return [...known(blocks), ...blocks.map((code, i) => `export async function block${i}() {\n${code}\n}`)].join('\n')
}

function clientGuide(): Promise<string> {
  return guideAsOneFile('docs/guide/client.md', (blocks) => [
    "import { connect, type Nitka, type Room } from '@nitka/client'",
    blocks.at(-1) ?? '',
    'declare const nitka: Nitka<App>',
    "declare const room: Room<App['rooms']['lobby']>",
    'declare function deliver(payload: object, signal: AbortSignal): Promise<void>',
  ])
}

function embeddingGuide(): Promise<string> {
  return guideAsOneFile('docs/guide/embedding.md', () => [
    "import assert from 'node:assert/strict'",
    "import { createServer as createHttpServer } from 'node:http'",
    "import { test } from 'node:test'",
    "import { type Authenticator, type Authorize, createServer, NitkaError, realWorld, type Server } from 'nitka'",
    "import { SimulatedClock, temporaryServer } from 'nitka/testing'",
    'declare const server: Server',
    'declare const sessions: { find(token: string): Promise<{ user: string } | undefined> }',
    'declare function isStaff(user: string): boolean',
    'declare function quoteFor(user: string, payload: unknown, signal: AbortSignal): Promise<number>',
    'declare const index: { add(room: string, from: string, message: unknown): void }',
    'declare const online: { add(user: string, how: string): void; remove(user: string, how: unknown): void }',
    'declare function page(text: string): void',
  ])
}

function start(t: TestContext, project: string, file: string): ChildProcess {
  const child = spawn(process.execPath, [file], { cwd: project, env: { ...process.env, SOCKET_PORT: '0' } })
  t.after(() => child.kill('SIGKILL'))
  return child
}

function answers(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  )
}

/** Runs a file until what it printed matches. */
async function prints(t: TestContext, project: string, file: string, expected: RegExp): Promise<void> {
  const child = start(t, project, file)
  let output = ''
  await new Promise<void>((resolve, reject) => {
    const more = (chunk: Buffer): void => {
      output += chunk.toString()
      if (expected.test(output)) resolve()
    }
    child.stdout?.on('data', more)
    child.stderr?.on('data', more)
    child.on('exit', (code) => reject(new Error(`${file} ended with ${code} and had printed: ${output}`)))
    setTimeout(() => reject(new Error(`${file} printed no ${expected} but: ${output}`)), startPatience).unref()
  })
  child.kill('SIGKILL')
}

async function installed(t: TestContext): Promise<string> {
  const folders = await build()
  const project = await mkdtemp(join(tmpdir(), 'nitka-package-'))
  t.after(() => rm(project, { recursive: true, force: true, maxRetries: 3 }))
  await writeFile(join(project, 'package.json'), '{"name":"stranger","private":true,"type":"module"}')
  const tarballs = await Promise.all(
    Object.values(folders).map(async (folder) => {
      const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', project], { cwd: folder })
      return `./${stdout.trim()}`
    }),
  )
  await run('npm', ['install', '--no-audit', '--no-fund', '--silent', ...tarballs], { cwd: project })
  return project
}

/** The page of the demo, and all that it loads. */
async function servesDemo(t: TestContext, project: string): Promise<void> {
  const port = await freePort()
  const flags = ['--port', String(port), '--socket-port', '0', '--data', join(project, 'demo-data'), '--generate', '']
  const demo = spawn(join(project, 'node_modules/.bin/nitka'), ['demo', ...flags], { stdio: 'ignore' })
  t.after(() => demo.kill('SIGKILL'))
  await eventually(() => answers(port), 'the demo answers')
  const load = async (file: string): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${port}/${file}`)
    assert.equal(answer.status, 200, file)
    return answer.text()
  }
  const linked = (text: string): string[] =>
    [...text.matchAll(/(?:href=|src=|from )["']\.\/([\w-]+\.\w+)["']/g)].map(([, file = '']) => file)
  const wanted = linked(await load(''))
  for (const file of wanted) wanted.push(...linked(await load(file)).filter((one) => !wanted.includes(one)))
  assert.ok(wanted.includes('style.css') && wanted.includes('cinema.js') && wanted.includes('nitka.js'))
}

test('both packages, installed outside the workspace, are what their READMEs say', { timeout: 400_000 }, async (t) => {
  const project = await installed(t)
  const port = await freePort()
  const at = (code: string): string => code.replaceAll('8080', String(port))
  const files = new Map<string, string>()
  for (const document of ['README.md', 'packages/server/README.md', 'packages/client/README.md']) {
    for (const [i, code] of (await snippets(document)).entries()) {
      files.set(`${document.replaceAll('/', '-')}-${i}.ts`, at(code))
    }
  }
  files.set('client-guide.ts', await clientGuide())
  files.set('embedding-guide.ts', await embeddingGuide())
  await mkdir(join(project, 'readme'))
  for (const [name, code] of files) await writeFile(join(project, 'readme', name), code)
  assert.ok(files.size >= 5)

  const options = { strict: true, module: 'nodenext', target: 'es2024', noEmit: true, skipLibCheck: false }
  const config = {
    compilerOptions: { ...options, types: ['node'], lib: ['es2024', 'esnext.disposable'] },
    include: ['readme'],
  }
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config))
  await mkdir(join(project, 'node_modules/@types'), { recursive: true })
  const types = ['node_modules/@types/node', 'node_modules/undici-types']
  for (const folder of types) await run('cp', ['-r', join(root, folder), join(project, folder)])
  await run(join(root, 'node_modules/.bin/tsc'), ['-p', project]).catch((error: { stdout: string }) => {
    assert.fail(`the snippets do not compile:\n${error.stdout}`)
  })

  start(t, project, 'readme/README.md-0.ts')
  await eventually(() => answers(port), 'the server of the README answers')
  const script = await (await fetch(`http://127.0.0.1:${port}/nitka.js`)).text()
  assert.match(script, /\bas connect\b/)
  await prints(t, project, 'readme/README.md-1.ts', /anna Who is in\?(.|\n)*42(.|\n)*a1/)
  await prints(t, project, 'readme/packages-client-README.md-0.ts', /carl hello/)
  const { stdout } = await run(join(project, 'node_modules/.bin/nitka'), ['help'])
  assert.match(stdout, /nitka serve/)
  await servesDemo(t, project)
})
