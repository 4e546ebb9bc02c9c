// Real processes that die: killed while they write, and with a file system that refuses to grow a file. Whatever a process
// said was acknowledged is there when the store is opened again.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { room } from '../src/engines/conformance/log-fixtures.ts'
import type { EmbeddedEngine } from '../src/engines/embedded/engine.ts'
import { openStoreIn, storeFolder } from '../testing/store-folder.ts'

const writer = fileURLToPath(new URL('../testing/store-writer.ts', import.meta.url))

/** Runs the writer; `enough` is asked after each acknowledgement and kills when it says so. */
async function write(child: ChildProcess, enough: (acknowledged: number) => boolean) {
  const acknowledged: string[] = []
  let errors = ''
  child.stderr?.on('data', (text) => (errors += text))
  const exited = once(child, 'close')
  assert.ok(child.stdout)
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'open') continue
    acknowledged.push(line)
    if (enough(acknowledged.length)) child.kill('SIGKILL')
  }
  const [code] = await exited
  return { acknowledged, errors, code }
}

async function stored(engine: EmbeddedEngine, name: string): Promise<string[]> {
  const lines: string[] = []
  for (let more = true; more; ) {
    const page = await engine.logs.read(room(name), { after: lines.length, limit: 500 })
    assert.deepEqual(page.missing, [])
    lines.push(...page.entries.map((entry) => `${entry.offset} ${entry.id}`))
    more = page.more
  }
  return lines
}

/** What is stored holds all that was acknowledged, both logs alike, and at most the one that was under way besides. */
function compare(logs: readonly [string[], string[]], known: readonly string[], acknowledged: readonly string[]): void {
  assert.deepEqual(logs[0], logs[1])
  assert.deepEqual(logs[0].slice(0, known.length), known)
  assert.deepEqual(logs[0].slice(known.length, known.length + acknowledged.length), acknowledged)
  assert.ok(logs[0].length <= known.length + acknowledged.length + 1)
}

test('a process killed ten times while it appends loses nothing acknowledged', async (t) => {
  const folder = storeFolder(t)
  let known: string[] = []
  for (let cycle = 0; cycle < 10; cycle++) {
    const child = spawn(process.execPath, [writer, folder, `${cycle}`])
    const { acknowledged } = await write(child, (count) => count >= 20 + cycle * 37)
    assert.ok(acknowledged.length >= 20)
    const engine = await openStoreIn(folder)
    const logs: [string[], string[]] = [await stored(engine, 'a'), await stored(engine, 'b')]
    await engine.close()
    compare(logs, known, acknowledged)
    known = logs[0]
  }
})

test('a failed append to the log file ends the store, and what was acknowledged stays', {
  skip: process.platform === 'win32',
}, async (t) => {
  for (const blocks of [48, 64, 100]) {
    const folder = storeFolder(t)
    // Node ignores the signal of a file that grows too large, so LevelDB sees its append fail, as on a full disk.
    const limited = `ulimit -f ${blocks}; exec "$0" "$@"`
    const child = spawn('bash', ['-c', limited, process.execPath, writer, folder, 'x'])
    const { acknowledged, errors, code } = await write(child, () => false)
    assert.equal(code, 1)
    assert.match(errors, /^storage failed: IO error/)
    assert.ok(acknowledged.length > 0)
    const engine = await openStoreIn(folder)
    const logs: [string[], string[]] = [await stored(engine, 'a'), await stored(engine, 'b')]
    await engine.close()
    compare(logs, [], acknowledged)
  }
})

test('two processes on one folder: the second is refused, the first goes on', async (t) => {
  const folder = storeFolder(t)
  const engine = await openStoreIn(folder)
  const child = spawn(process.execPath, [writer, folder, 'x', '1'])
  const { acknowledged, errors, code } = await write(child, () => false)
  assert.deepEqual([acknowledged, code], [[], 1])
  assert.match(errors, /is in use by another process: stop it, or choose another folder\n$/)
  await assert.rejects(openStoreIn(folder), /in use by another process/)
  const sent = { log: room('a'), id: '1', time: 1, sender: 's', body: 'x', counts: true }
  assert.deepEqual((await engine.logs.append([{ entries: [sent] }]))[0]?.offsets, [1])
  await engine.close()
})
