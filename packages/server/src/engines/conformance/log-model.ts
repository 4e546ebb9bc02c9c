// The log store against a model in memory: random appends, repeats, conflicts, pages, cursors, trims and reopenings.
// The model is arrays and maps; where it and the store differ, fast-check finds the shortest way there.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { LogName, LogStore, NewEntry } from '../../log/log-store.ts'
import { code, entry, room, user } from './log-fixtures.ts'
import type { OpenLogStore } from './log-store.ts'

interface Kept {
  readonly id: string
  readonly body: string
  readonly counted: number
  readonly thread: string | undefined
}

/** One log: all it ever held, and how much of that was trimmed. */
interface ModelLog {
  entries: Kept[]
  first: number
  cursors: Map<string, number>
}

class Model {
  readonly logs = new Map<string, ModelLog>()
  readonly sent = new Map<string, { payload: string; offset: number; id: string }>()

  log(name: LogName): ModelLog {
    const key = `${name.kind} ${name.id}`
    const log = this.logs.get(key) ?? { entries: [], first: 1, cursors: new Map() }
    this.logs.set(key, log)
    return log
  }
}

interface Real {
  logs: LogStore
  reopen: (() => Promise<LogStore>) | undefined
}

type Command = fc.AsyncCommand<Model, Real>

const command = (text: string, run: (model: Model, real: Real) => Promise<void>): Command => ({
  check: () => true,
  run,
  toString: () => text,
})

const names = [room('a'), room('ab'), user('a'), room('__proto__')] as const
const anyLog = fc.constantFrom(...names)
const threads = [undefined, 't', 'tt'] as const

const append = fc
  .record({
    log: anyLog,
    body: fc.constantFrom('x', 'y'),
    clientId: fc.constantFrom(undefined, '1', '2'),
    thread: fc.constantFrom(...threads),
  })
  .map((sent) => command(`append ${JSON.stringify(sent)}`, (model, real) => runAppend(model, real, sent)))

interface Sent {
  readonly log: LogName
  readonly body: string
  readonly clientId: string | undefined
  readonly thread: string | undefined
}

async function runAppend(model: Model, real: Real, { log, body, clientId, thread }: Sent): Promise<void> {
  const kept = model.log(log)
  const counts = body === 'x'
  const sent: NewEntry = entry(log, body, thread === undefined ? { counts } : { counts, thread })
  const call = real.logs.append([clientId === undefined ? { entries: [sent] } : { entries: [sent], clientId }])
  const payload = `${body} ${thread}`
  const key = `${log.kind} ${log.id} ${clientId}`
  const before = clientId === undefined ? undefined : model.sent.get(key)
  if (before !== undefined && before.payload !== payload) return assert.rejects(call, code('conflict'))
  const [appended] = await call
  if (before === undefined) {
    const counted = (kept.entries.at(-1)?.counted ?? 0) + (counts ? 1 : 0)
    kept.entries.push({ id: sent.id, body, thread, counted })
    if (clientId !== undefined) model.sent.set(key, { payload, offset: kept.entries.length, id: sent.id })
  }
  assert.equal(appended?.repeated, before !== undefined)
  assert.equal(appended?.id, before?.id ?? sent.id)
  assert.deepEqual(appended?.offsets, [before?.offset ?? kept.entries.length])
}

const read = fc
  .record({
    log: anyLog,
    from: fc.nat(12),
    limit: fc.integer({ min: 1, max: 6 }),
    up: fc.boolean(),
    thread: fc.constantFrom(...threads),
  })
  .map(({ log, from, limit, up, thread }) =>
    command(
      `read ${log.kind} ${log.id} ${up ? 'after' : 'before'} ${from} limit ${limit} thread ${thread}`,
      async (model, real) => {
        const kept = model.log(log)
        const filed = thread === undefined ? {} : { thread }
        const page = await real.logs.read(
          log,
          up ? { after: from, limit, ...filed } : { before: from, limit, ...filed },
        )
        const inRange = kept.entries
          .map((each, i) => ({ ...each, offset: i + 1 }))
          .filter((each) => each.offset >= kept.first && (up ? each.offset > from : each.offset < from))
          .filter((each) => thread === undefined || each.thread === thread)
        const expected = up ? inRange.slice(0, limit) : inRange.slice(-limit)
        const shown = page.entries.map(({ offset, id, body, counted, thread: of }) => ({
          id,
          body,
          thread: of,
          counted,
          offset,
        }))
        assert.deepEqual(shown, expected)
        assert.equal(page.more, inRange.length > expected.length)
        const [low, high] = up ? [from + 1, kept.first - 1] : [1, Math.min(from - 1, kept.first - 1)]
        const told = (up || !page.more) && low <= high
        assert.deepEqual(page.missing, told ? [{ from: low, to: high, reason: 'trimmed' }] : [])
      },
    ),
  )

const move = fc
  .record({ log: anyLog, name: fc.constantFrom('c', 'cc'), offset: fc.nat(9) })
  .map(({ log, name, offset }) =>
    command(`move ${log.kind} ${log.id} ${name} to ${offset}`, async (model, real) => {
      const { cursors } = model.log(log)
      await real.logs.move([{ log, name, offset, time: 1 }])
      cursors.set(name, Math.max(offset, cursors.get(name) ?? 0))
    }),
  )

const trim = fc.record({ log: anyLog, before: fc.nat(12) }).map(({ log, before }) =>
  command(`trim ${log.kind} ${log.id} below ${before}`, async (model, real) => {
    const kept = model.log(log)
    await real.logs.trim(log, before)
    kept.first = Math.max(kept.first, Math.min(before, kept.entries.length + 1))
  }),
)

const reopen = fc.constant(
  command('reopen', async (_model, real) => {
    real.logs = (await real.reopen?.()) ?? real.logs
  }),
)

async function compare(model: Model, real: Real): Promise<void> {
  for (const name of names) {
    const kept = model.log(name)
    const [state] = await real.logs.states([name])
    const newest = kept.entries.at(-1)
    assert.deepEqual(
      { ...state, epoch: '' },
      {
        epoch: '',
        first: kept.first,
        head: kept.entries.length,
        headId: newest?.id ?? '',
        counted: newest?.counted ?? 0,
      },
    )
    const cursors = await real.logs.cursors(name, '')
    assert.deepEqual(new Map(cursors.map((cursor) => [cursor.name, cursor.offset])), kept.cursors)
    for (const [i, each] of kept.entries.entries()) {
      assert.equal(await real.logs.find(name, each.id), i + 1 >= kept.first ? i + 1 : undefined)
    }
  }
}

/** Runs `runs` random histories against the store. */
export function logStoreFollowsModel(engine: string, open: OpenLogStore, runs = 40): void {
  test(`${engine}: random histories leave what the model holds`, async (t) => {
    const histories = fc.commands([append, append, append, read, read, move, trim, reopen], { maxCommands: 60 })
    await fc.assert(
      fc.asyncProperty(histories, async (commands) => {
        const store = await open(t)
        const real: Real = { logs: store.logs, reopen: store.reopen }
        const model = new Model()
        await fc.asyncModelRun(() => ({ model, real }), commands)
        await compare(model, real)
      }),
      { numRuns: runs },
    )
  })
}
