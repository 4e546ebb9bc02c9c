#!/usr/bin/env node
// The `nitka` command. Runs the server's entry on a Node that can; in a checkout that is the pinned one, whichever Node
// started this file.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const oldest = [24, 14]
const here = dirname(fileURLToPath(import.meta.url))
const entry = join(here, '../src/main.ts')

if (recentEnough()) {
  process.argv[1] = entry
  await import('../src/main.ts')
} else {
  const node = pinnedNode()
  if (node === undefined) {
    console.error(`nitka: needs Node ${oldest.join('.')} or later, this is ${process.versions.node}`)
    process.exit(1)
  }
  runOn(node)
}

function recentEnough() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return major > oldest[0] || (major === oldest[0] && minor >= oldest[1])
}

/** The Node that the workspace pins, from the nearest folder upwards that has one. */
function pinnedNode() {
  for (let folder = here; ; folder = dirname(folder)) {
    const node = join(folder, 'node_modules/.bin/node')
    if (existsSync(node)) return node
    if (folder === dirname(folder)) return undefined
  }
}

/** npm passes SIGTERM on to the shell between, which dies of it and says nothing to us. */
function endWhenOrphaned(child) {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    child.kill('SIGTERM')
  }, 250).unref()
}

/** A terminal sends SIGINT to the whole group, so it is not sent again; SIGTERM and SIGHUP come to this process alone. */
function runOn(node) {
  const child = spawn(node, [entry, ...process.argv.slice(2)], { stdio: 'inherit' })
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  if (process.env.npm_command !== undefined) endWhenOrphaned(child)
  child.on('error', (error) => {
    console.error(`nitka: ${node} did not start: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}
