// `nitka export` and `nitka import`: what one store held, another one holds; and what is not whole leaves nothing.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { stagingName } from '../src/engines/embedded/adopt.ts'
import { openDisk } from '../src/engines/embedded/disk.ts'
import type { EmbeddedEngine } from '../src/engines/embedded/engine.ts'
import { key, logBytes, ordered, spaces } from '../src/engines/embedded/keys.ts'
import type { LogName } from '../src/log/log-store.ts'
import { eventually } from '../testing/eventually.ts'
import { contents, fill, fullStore, logs } from '../testing/full-store.ts'
import { runProcess, startProcess } from '../testing/process.ts'
import { ask, temporaryFolder } from '../testing/server.ts'
import { openStoreIn } from '../testing/store-folder.ts'

const main = new URL('../src/main.ts', import.meta.url).pathname

async function nitka(t: TestContext, ...args: string[]): Promise<string> {
  const { code, output, errors } = await runProcess(t, args)
  assert.deepEqual([code, errors], [0, ''], args.join(' '))
  return output
}

/** A full store, exported; gives its folder and the lines. */
async function exported(t: TestContext, entries: number) {
  const { folder, data, before, token: tokens } = await fullStore(t, entries)
  const file = join(folder, 'export.ndjson')
  const summary = JSON.parse(await nitka(t, 'export', file, '--data', data, '--json'))
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return { folder, data, file, lines, summary, before, tokens }
}

/** With a footer that fits. */
function sealed(lines: readonly string[]): string {
  const text = lines.map((line) => `${line}\n`).join('')
  const counts: Record<string, number> = {}
  for (const line of lines.slice(1)) {
    const { type } = JSON.parse(line)
    counts[type] = (counts[type] ?? 0) + 1
  }
  const footer = { type: 'end', counts, sha256: createHash('sha256').update(text).digest('hex') }
  return `${text}${JSON.stringify(footer)}\n`
}

test('what a store holds comes out of another one: every message, room, mark, task and resource', async (t) => {
  const { folder, file, lines, summary, before, tokens } = await exported(t, 2_000)
  const header = JSON.parse(lines[0]!)
  assert.deepEqual([header.format, header.version, header.only], ['nitka-export', 1, undefined])
  const counts = lines.slice(1, -1).map((line) => JSON.parse(line).type)
  assert.equal(summary.counts.entry, counts.filter((type) => type === 'entry').length)
  assert.ok(summary.counts.entry > 5_000 && summary.counts.task > 1_000)
  assert.equal(sealed(lines.slice(0, -1)).split('\n').at(-2), lines.at(-1))
  assert.equal(statSync(file).mode & 0o777, 0o600)
  const data = join(folder, 'new', 'data')
  const told = await nitka(t, 'import', file, '--data', data)
  assert.match(told, /data: 4 rooms, \d+ members, 6 logs, \d+ entries, 4 cursors, /)
  assert.deepEqual(readdirSync(data).sort(), ['committed', 'store'])

  const engine = await openStoreIn(data)
  const after = await contents(engine)
  assert.deepEqual(after.histories, before.histories)
  assert.deepEqual(after.rooms, before.rooms)
  assert.deepEqual(
    after.pools,
    before.pools.filter(({ kind }) => kind !== 'hold'),
  )
  const leased = before.tasks.filter(({ state }) => state === 'leased')
  assert.ok(leased.length > 5)
  const ids = new Set(leased.map(({ id }) => id))
  const same = (tasks: typeof before.tasks) => tasks.filter(({ id, state }) => !ids.has(id) && state !== 'done')
  assert.deepEqual(same(after.tasks), same(before.tasks))
  for (const task of leased) {
    const now = after.tasks.find(({ id }) => id === task.id)!
    assert.deepEqual([now.state, now.failures, now.progress], ['ready', task.failures, task.progress])
    assert.deepEqual([now.attempts.length, now.attempts.at(-1)!.outcome], [task.attempts.length, 'released'])
  }
  for (const [i, queue] of after.queues.entries()) {
    const { ready, leased: out, donePerMinute: _minute, oldestReady: _oldest, ...known } = before.queues[i]!
    const { ready: now, leased: none, donePerMinute: _now, oldestReady: _first, ...found } = queue
    assert.deepEqual([found, now, none], [known, ready + out, 0])
  }
  assert.ok((await engine.pools.tokens(1)) > tokens + 2 ** 31, 'numbers that fence go on above those of the old store')
  const epochOf = async (store: EmbeddedEngine) => (await store.logs.states([logs[0]!]))[0]!.epoch
  const epoch = await epochOf(engine)
  await engine.close()
  const old = await openStoreIn(join(folder, 'data'))
  assert.notEqual(await epochOf(old), epoch)
  await old.close()

  await nitka(t, 'export', join(folder, 'again'), '--data', data)
  const records = (list: readonly string[]) => list.slice(1, -1).map((line) => line.replace(/"ended":\d+/, ''))
  const again = readFileSync(join(folder, 'again'), 'utf8').split('\n').slice(0, -1)
  const differs = records(again).findIndex((line, i) => line !== records(lines)[i])
  assert.deepEqual([again.length, records(again)[differs]], [lines.length, undefined])
})

test('a server on the imported folder serves the same history, remembers client ids, and hands tasks out', async (t) => {
  const { folder, file, before } = await exported(t, 60)
  const data = join(folder, 'served')
  await nitka(t, 'import', file, '--data', data)
  const server = await startProcess(t, data)
  const page = (await ask(server.url, 'GET', '/ws/history?user=bo&limit=500')).body
  const bo = before.histories.find(({ log }) => log.id === 'bo')!
  assert.deepEqual(
    page.messages.map(({ id, offset }: { id: string; offset: number }) => [id, offset]),
    bo.entries.map(({ id, offset }) => [id, offset]),
  )
  const room = (await ask(server.url, 'GET', '/rooms/tea/messages?user=eve&limit=500')).body
  assert.equal(room.messages.length, before.histories[0]!.entries.length)
  const leased = before.tasks.find(({ queue, state }) => queue === 'work' && state === 'leased')!
  const stream = await fetch(`${server.url}/task?batchsize=40&queue=work`)
  let text = ''
  const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader()
  const given = new RegExp(`\\ndata: .*${leased.id}.*\\n`)
  while (!given.test(text)) text += (await reader.read()).value ?? assert.fail(text)
  await reader.cancel()
  const lines = text.split('\n').filter((line) => line.startsWith('data: '))
  const event = JSON.parse(lines.find((line) => line.includes(leased.id))!.slice('data: '.length))
  assert.equal(event.Attempt, 2)
  server.child.kill('SIGTERM')
  assert.equal(await server.exited, 0)

  const engine = await openStoreIn(data)
  t.after(() => engine.close())
  const entry = { ...bo.entries[1]!, log: bo.log, counts: true }
  assert.equal(entry.clientId, 'direct 1')
  const other = { ...entry, log: { kind: 'user', id: 'ann' } as const, thread: 'u:bo' }
  const [repeat] = await engine.logs.append([{ entries: [entry, other], clientId: 'direct 1' }])
  assert.deepEqual([repeat!.repeated, repeat!.id], [true, entry.id])
  const known = before.tasks.find(({ key }) => key === 'k3')!
  const [added] = await engine.tasks.add([{ ...known, id: before.tasks[0]!.id }])
  assert.deepEqual(added, { id: known.id, repeated: true })
})

test('a part alone can be exported, to standard output, and be a store of its own', async (t) => {
  const { folder, data } = await exported(t, 50)
  const types: Record<string, string[]> = {
    rooms: ['cursor', 'entry', 'log', 'member', 'room', 'sent'],
    direct: ['cursor', 'entry', 'log', 'sent'],
    tasks: ['once', 'queue', 'task'],
  }
  for (const [only, expected] of Object.entries(types)) {
    const { code, output, errors } = await runProcess(t, ['export', '-', '--only', only, '--data', data])
    assert.equal(code, 0)
    assert.match(errors, /^nitka: .*data: \d+ [^\n]*\n$/)
    const records = output
      .split('\n')
      .slice(1, -2)
      .map((line) => JSON.parse(line))
    assert.deepEqual([...new Set(records.map(({ type }) => type))].sort(), expected)
    const kinds = new Set(records.filter(({ log }) => log !== undefined).map(({ log }) => log.kind))
    assert.equal(kinds.has('room'), only === 'rooms')
    const target = join(folder, only)
    const child = spawn(process.execPath, [main, 'import', '-', '--data', target, '--json'], { stdio: 'pipe' })
    t.after(() => child.kill('SIGKILL'))
    let summary = ''
    child.stdout.on('data', (piece: Buffer) => {
      summary += piece
    })
    child.stdin.end(output)
    assert.equal(await new Promise((resolve) => child.once('close', resolve)), 0)
    assert.deepEqual(Object.keys(JSON.parse(summary).counts).sort(), expected)
  }
})

test('a file that is cut, changed, of another version or double is refused with its line, and leaves nothing', async (t) => {
  const { folder, lines } = await exported(t, 30)
  const records = lines.slice(0, -1)
  const at = (type: string, nth = 0) =>
    records.findIndex((line, i) => i > 0 && line.includes(`{"type":"${type}"`)) + nth
  const changed = (index: number, change: (line: string) => string) => records.with(index, change(records[index]!))
  const [entry, task] = [at('entry', 2), at('task')]
  const set = (name: string, value: unknown) => (line: string) => JSON.stringify({ ...JSON.parse(line), [name]: value })
  const wrong: [string, string, RegExp][] = [
    ['empty', '', /there is nothing in it/],
    ['no export', '{"a":1}\n', /line 1: this is no export of nitka/],
    ['not text', 'nitka\n', /line 1: not JSON/],
    ['version', sealed(changed(0, set('version', 2))), /line 1: the format has version 2, and this program reads 1/],
    ['cut', `${records.join('\n')}\n`, /ends after line \d+ without its last line: it was cut off/],
    ['cut line', lines.join('\n').slice(0, -3), /line \d+: not JSON/],
    ['more', `${lines.join('\n')}\n{}\n`, /something comes after the last line/],
    ['bit', lines.join('\n').replace('"n\\":7,', '"n\\":8,'), /line \d+: the checksum is another/],
    ['missing', sealed(records.toSpliced(entry, 1)), new RegExp(`line ${entry + 1}: offset must be 3`)],
    ['last', sealed(records.toSpliced(at('cursor', -1), 1)), /ends before \d+, and its head is/],
    ['twice', sealed(records.toSpliced(entry, 0, records[entry]!)), new RegExp(`line ${entry + 2}: offset must be 4`)],
    ['task twice', sealed(records.toSpliced(task, 0, records[task]!)), new RegExp(`line ${task + 2}: .*there twice`)],
    ['room twice', sealed(records.toSpliced(2, 0, records[1]!)), /line 3: this room is there twice/],
    ['order', sealed([...records, records[1]!]), /a room comes after a pool/],
    ['field', sealed(changed(entry, set('time', -1))), new RegExp(`line ${entry + 1}: time must be >= 0`)],
    ['unknown', sealed(changed(entry, set('colour', 1))), new RegExp(`line ${entry + 1}: colour is not known here`)],
    ['body', sealed(changed(entry, set('body', '{'))), new RegExp(`line ${entry + 1}: body must be JSON`)],
    ['name', sealed(changed(entry, set('sender', 'a\0b'))), new RegExp(`line ${entry + 1}: sender must be 1 to 255`)],
    ['pool', sealed(changed(at('pool'), set('value', '{"resources":1}'))), /line \d+: value: resources must be array/],
    ['type', sealed(changed(entry, set('type', 'x'))), new RegExp(`line ${entry + 1}: type must be one of`)],
    ['member', sealed(changed(at('member'), set('room', '0'))), /line \d+: there is no room 0/],
  ]
  const refused = async ([name, text, message]: (typeof wrong)[number]): Promise<void> => {
    const [file, data] = [join(folder, `${name}.ndjson`), join(folder, `into ${name}`)]
    writeFileSync(file, text)
    const { code, output, errors } = await runProcess(t, ['import', file, '--data', data])
    assert.deepEqual([code, output], [1, ''], name)
    assert.match(errors, message, name)
    assert.match(errors, /^nitka: [^\n]+\n$/, name)
    assert.ok(!existsSync(data), name)
  }
  for (let i = 0; i < wrong.length; i += 4) await Promise.all(wrong.slice(i, i + 4).map(refused))
})

test('entries that the store had lost are told, and are missing in the new store as they were in the old one', async (t) => {
  const folder = await temporaryFolder(t)
  const data = join(folder, 'data')
  const engine = await openStoreIn(data)
  await fill(engine, 20)
  await engine.close()
  const log: LogName = { kind: 'user', id: 'bo' }
  const disk = await openDisk(join(data, 'store'), { cacheBytes: 2 ** 20, writeBufferBytes: 2 ** 20, create: false })
  const at = key(spaces.entry, logBytes(log), ordered(5))
  await disk.batch([{ type: 'put', key: at, value: Buffer.from('what the disk made of it') }], true)
  await disk.close()
  const file = join(folder, 'export.ndjson')
  const told = await runProcess(t, ['export', file, '--data', data, '--json'])
  assert.equal(told.code, 1)
  assert.match(told.errors, /^nitka: 1 damaged entries are missing in it/)
  assert.deepEqual([JSON.parse(told.output).damaged, JSON.parse(told.output).counts.hole], [1, 1])
  assert.match(readFileSync(file, 'utf8'), /\n\{"type":"hole","from":5,"to":5\}\n/)
  const target = join(folder, 'new')
  assert.equal((await runProcess(t, ['import', file, '--data', target])).code, 0)
  const copy = await openStoreIn(target)
  t.after(() => copy.close())
  const page = await copy.logs.read(log, { after: 0, limit: 100 })
  assert.deepEqual(page.missing, [{ from: 5, to: 5, reason: 'damaged' }])
  assert.equal(page.entries.length, 19)
})

test('a folder that is not empty, a store in use, and a file that exists are refused and left as they are', async (t) => {
  const { folder, data, file } = await exported(t, 10)
  const fails = async (message: RegExp, ...args: string[]) => {
    const { code, output, errors } = await runProcess(t, args)
    assert.deepEqual([code, output], [1, ''])
    assert.match(errors, message)
  }
  const before = readdirSync(data)
  await fails(/data is not empty: choose a new one with --data/, 'import', file, '--data', data)
  assert.deepEqual(readdirSync(data), before)
  await fails(/export\.ndjson exists already/, 'export', file, '--data', data)
  await fails(/there is no store in/, 'export', join(folder, 'x'), '--data', folder)
  await fails(/cannot read .*nowhere/, 'import', join(folder, 'nowhere'), '--data', join(folder, 'y'))
  await fails(/cannot write .*: ENOENT/, 'export', join(folder, 'no', 'folder'), '--data', data)
  const server = await startProcess(t, data)
  await fails(/data is in use by another process/, 'export', join(folder, 'z'), '--data', data)
  await server.kill()
  assert.deepEqual(readdirSync(folder).sort(), ['data', 'export.ndjson'])
  const usage = await Promise.all(
    [['export'], ['import'], ['export', '-', '--only', 'x']].map((args) => runProcess(t, args)),
  )
  assert.deepEqual(
    usage.map(({ code }) => code),
    [2, 2, 2],
  )
})

test('an import that is killed leaves a folder with nothing in it for a server, and for the next import', async (t) => {
  const { folder, file, lines } = await exported(t, 1_000)
  const data = join(folder, 'killed')
  // What stands still after half of the file is in the middle of it.
  const child = spawn(process.execPath, [main, 'import', '-', '--data', data], { stdio: ['pipe', 'ignore', 'ignore'] })
  t.after(() => child.kill('SIGKILL'))
  child.stdin.on('error', () => {})
  child.stdin.write(`${lines.slice(0, Math.floor(lines.length * 0.8)).join('\n')}\n`)
  const grown = () => {
    const store = join(data, stagingName, 'store')
    const bytes = (name: string) => statSync(join(store, name), { throwIfNoEntry: false })?.size ?? 0
    return existsSync(store) && readdirSync(store).some((name) => bytes(name) > 200_000)
  }
  await eventually(grown, 'half of it to be written')
  const second = await runProcess(t, ['import', file, '--data', data])
  assert.deepEqual([second.code, /another process imports into/.test(second.errors)], [1, true])
  const gone = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGKILL')
  await gone
  assert.deepEqual(readdirSync(data), [stagingName])
  assert.match(await nitka(t, 'import', file, '--data', data), /entries/)
  assert.deepEqual(readdirSync(data).sort(), ['committed', 'store'])

  const other = join(folder, 'served')
  mkdirSync(join(other, stagingName, 'store'), { recursive: true })
  const server = await startProcess(t, other)
  assert.deepEqual((await ask(server.url, 'GET', '/queues')).body.queues, [])
})
