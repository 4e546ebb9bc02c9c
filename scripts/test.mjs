// `npm test`: runs the test files, each in a process of its own, two at a time.
//
//   npm test                            all of them
//   npm test -- store                   the files whose path contains "store"
//   npm test -- store --name=repeated   in those, the tests whose name matches
//   npm test -- --timeout=30            seconds that a file may take (900)
//
// A line a file, full detail for what failed, and as the last line `N passed, N failed`, `, N skipped` after it when
// something was skipped. A file fails as a whole, and counts as one failed test, when it crashes, does not load, takes
// too long, leaves something open that keeps its process alive, or has no test in it.

import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const patterns = [
  'packages/*/{src,test,testing}/**/*.test.ts',
  'scripts/*.test.ts',
  'bench/*.test.ts',
  'examples/*/*.test.ts',
]
const filesAtOnce = 2
/** How long a process may live on with no test under way: removing what dozens of databases left takes a while on a slow disk. */
const lingerMs = 60_000
/** What is kept of a file's own output, to be shown when it fails. */
const outputLengthMax = 20_000

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const reporter = join(root, 'scripts/test-reporter.mjs')

const { values: options, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string' }, timeout: { type: 'string', default: '900' } },
})
const timeoutMs = Number(options.timeout) * 1_000
if (!(timeoutMs > 0)) {
  console.error(`test: --timeout takes seconds, got ${options.timeout}`)
  process.exit(2)
}

const running = new Set()
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const child of running) endGroup(child)
    process.exit(128 + constants.signals[signal])
  })
}

const results = await runAll(testFiles())
conclude(results)

function testFiles() {
  const files = globSync(patterns, { cwd: root, exclude: (path) => path.includes('node_modules') }).sort()
  return filters.length === 0 ? files : files.filter((file) => filters.some((filter) => file.includes(filter)))
}

async function runAll(files) {
  const waiting = [...files]
  const results = []
  const lane = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await runFile(file)
      results.push(result)
      print(result)
    }
  }
  await Promise.all(Array.from({ length: filesAtOnce }, lane))
  return results
}

/** Resolves with what the file's tests did. `broken` says why the file failed as a whole. */
async function runFile(file) {
  const began = performance.now()
  const result = { file, passed: 0, failed: [], skipped: [], broken: undefined, output: '', ms: 0 }
  const names = options.name === undefined ? [] : [`--test-name-pattern=${options.name}`]
  const child = spawn(process.execPath, [`--test-reporter=${reporter}`, ...names, join(root, file)], {
    cwd: root,
    detached: true, // a group of its own: what a test started and left behind ends with it
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  running.add(child)

  let finished = false
  const underWay = new Map()
  const stop = (reason) => {
    const names = [...underWay.values()]
    result.broken = names.length === 0 ? reason : `${reason}, in: ${names.join(', ')}`
    endGroup(child)
  }
  const deadline = setTimeout(() => stop(`took longer than ${timeoutMs / 1_000} s`), timeoutMs)
  let linger
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => keep(result, text))
  }
  createInterface({ input: child.stdio[3] }).on('line', (line) => {
    const event = JSON.parse(line)
    if (event.event === 'end') finished = true
    else if (event.event === 'note') keep(result, `${event.text}\n`)
    else if (event.event === 'began') underWay.set(`${event.line} ${event.name}`, event.name)
    else if (event.event === 'ended') underWay.delete(`${event.line} ${event.name}`)
    else count(result, event)
    clearTimeout(linger)
    if (underWay.size === 0) linger = setTimeout(() => stop('left something open: its process did not end'), lingerMs)
  })

  const [code, signal] = await new Promise((resolve) => {
    let outcome = [1, null]
    child.on('error', (error) => stop(`did not start: ${error.message}`))
    child.on('exit', (...how) => {
      outcome = how
      endGroup(child)
    })
    child.on('close', () => resolve(outcome))
  })
  clearTimeout(deadline)
  clearTimeout(linger)
  running.delete(child)
  result.ms = performance.now() - began
  result.broken ??= broken(result, finished, code, signal)
  return result
}

function broken(result, finished, code, signal) {
  if (signal !== null) return `died of ${signal}`
  const seen = result.passed + result.failed.length + result.skipped.length
  if (code !== 0 && result.failed.length === 0) return `exited with code ${code}`
  if (!finished && seen > 0) return 'ended before its tests did'
  if (seen === 0 && options.name === undefined) return 'ended without a result: no test in it, or process.exit()'
  return undefined
}

function keep(result, text) {
  result.output = (result.output + text).slice(-outputLengthMax)
}

/** Tests count; a suite only when it failed by itself, in a hook, and not through its tests. */
function count(result, event) {
  if (event.suite && (event.event !== 'failed' || event.why === 'subtestsFailed')) return
  if (event.event === 'passed') result.passed++
  else if (event.event === 'skipped') result.skipped.push(event)
  else result.failed.push(event)
}

function endGroup(child) {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // the whole group has ended
  }
}

function print(result) {
  const bad = failures(result) > 0
  const counts = [`${result.passed} passed`]
  if (bad) counts.push(`${failures(result)} failed`)
  if (result.skipped.length > 0) counts.push(`${result.skipped.length} skipped`)
  console.log(`${bad ? '✖' : '✔'} ${result.file}  ${counts.join(', ')}  ${(result.ms / 1_000).toFixed(1)} s`)
  for (const { name, reason } of result.skipped) console.log(`    skipped: ${name} (${reason})`)
  for (const { name, at, detail, why } of result.failed) {
    if (why === 'subtestsFailed') continue
    console.log(`\n    ✖ ${name}${at === '' ? '' : `\n      at ${at.replace(`${root}/`, '')}`}\n${indent(detail)}\n`)
  }
  if (result.broken !== undefined) console.log(`\n    ✖ the file ${result.broken}\n`)
  if (bad && result.output.trim() !== '')
    console.log(`    what the file printed:\n${indent(result.output.trimEnd())}\n`)
}

function failures(result) {
  return result.failed.length + (result.broken === undefined ? 0 : 1)
}

function indent(text) {
  return text.replaceAll(/^/gm, '      ').replaceAll(`${root}/`, '')
}

function conclude(results) {
  let [passed, failed, skipped] = [0, 0, 0]
  const lines = []
  for (const result of results.sort((a, b) => (a.file < b.file ? -1 : 1))) {
    passed += result.passed
    failed += failures(result)
    skipped += result.skipped.length
    for (const { name } of result.failed) lines.push(`✖ ${result.file}: ${name}`)
    if (result.broken !== undefined) lines.push(`✖ ${result.file}: the file ${result.broken}`)
  }
  if (lines.length > 0) console.log(`\n${lines.join('\n')}`)
  if (results.length === 0) console.log(`\nno test file matches ${filters.join(', ') || patterns.join(', ')}`)
  else if (passed + failed === 0) console.log('\nno test ran')
  console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0
}
