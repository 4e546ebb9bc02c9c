// `npm start`: installs what the lock file names when it is not there yet, then runs the demo on the pinned Node. Plain
// JavaScript, because it is the one file that must run on whatever Node (20 or later) the machine has.

import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const pinnedNode = join(root, 'node_modules/.bin/node')

// A terminal sends SIGINT to the whole group, so the child has it already. SIGTERM comes to this process alone.
let child
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child?.kill('SIGTERM'))
// npm passes SIGTERM on to the shell between, which dies of it and says nothing to us.
const parent = process.ppid
const watch = setInterval(() => {
  if (process.env.npm_command === undefined || process.ppid === parent) return
  clearInterval(watch)
  child?.kill('SIGTERM')
}, 250).unref()

if (!installed()) {
  console.log('start: the dependencies are missing or older than package-lock.json, running npm ci')
  const code = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  if (code !== 0) process.exit(code)
}
if (!existsSync(pinnedNode)) {
  console.error(
    'start: npm ci did not install the pinned Node (node_modules/.bin/node): are install scripts turned off?',
  )
  process.exit(1)
}
process.exit(await run(pinnedNode, ['packages/server/src/main.ts', 'demo', ...process.argv.slice(2)]))

/** npm writes the hidden lock last, so its age is the age of a complete installation. */
function installed() {
  const done = statSync(join(root, 'node_modules/.package-lock.json'), { throwIfNoEntry: false })
  return done !== undefined && done.mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs
}

/** Resolves with the exit code; a death by signal is 128 and its number, as in a shell. */
function run(command, args) {
  return new Promise((resolve) => {
    child = spawn(command, args, { cwd: root, stdio: 'inherit' })
    child.on('error', (error) => {
      console.error(`start: ${command} did not start: ${error.message}`)
      resolve(1)
    })
    child.on('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)))
  })
}
