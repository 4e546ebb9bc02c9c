// A process that is killed at its n-th call of the operating system, or whose n-th call fails, and what its store holds then. The
// calls are chosen by file: each kind of file that a store has, and each kind of call that changes it.

import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { memoryFolder } from '../testing/store-folder.ts'
import { acknowledgedIn, afterCrash } from '../testing/store-steps.ts'
import { runTraced, straceMissing } from '../testing/strace.ts'

const workload = fileURLToPath(new URL('../testing/store-workload.ts', import.meta.url))
const skip = straceMissing()

/** How often each call is hit, at most. */
const pointsEach = Number(process.env.NITKA_POINTS ?? 2)
/** What a store with it holds when a process begins, and up to where it takes it. */
const starts = [
  { before: 0, steps: 130 },
  { before: 150, steps: 290 },
]

const numbered = (name: (number: string) => string): string[] =>
  Array.from({ length: 150 }, (_, i) => `store/${name(String(i + 1).padStart(6, '0'))}`)

const files = {
  log: numbered((number) => `${number}.log`),
  table: numbered((number) => `${number}.ldb`),
  manifest: [
    ...numbered((number) => `MANIFEST-${number}`),
    ...numbered((number) => `${number}.dbtmp`),
    'store/CURRENT',
  ],
  mark: ['committed'],
  folder: ['', 'store'],
} as const

interface Point {
  readonly file: keyof typeof files
  readonly call: string
  /** How many of that call such a process makes in one thread, about. */
  readonly calls: number
}

const points: readonly Point[] = [
  { file: 'log', call: 'write', calls: 40 },
  { file: 'log', call: 'fdatasync', calls: 20 },
  { file: 'log', call: 'openat', calls: 4 },
  { file: 'log', call: 'read', calls: 1 },
  { file: 'log', call: 'unlink', calls: 4 },
  { file: 'table', call: 'write', calls: 70 },
  { file: 'table', call: 'fdatasync', calls: 5 },
  { file: 'table', call: 'openat', calls: 9 },
  { file: 'table', call: 'unlink', calls: 4 },
  { file: 'manifest', call: 'write', calls: 8 },
  { file: 'manifest', call: 'fdatasync', calls: 7 },
  { file: 'manifest', call: 'openat', calls: 4 },
  { file: 'manifest', call: 'rename', calls: 2 },
  { file: 'manifest', call: 'unlink', calls: 1 },
  { file: 'mark', call: 'pwrite64', calls: 24 },
  { file: 'mark', call: 'openat', calls: 3 },
  { file: 'mark', call: 'fsync', calls: 2 },
  { file: 'folder', call: 'fsync', calls: 4 },
  { file: 'folder', call: 'mkdir', calls: 1 },
]

interface Round {
  readonly point: Point
  readonly n: number
  readonly start: (typeof starts)[number]
  readonly what: string
}

/** Of each point the first, the last and some between, from either start. */
function rounds(each: number): Round[] {
  const all: Round[] = []
  for (const point of points) {
    for (const [i, start] of starts.entries()) {
      const count = Math.min(each, point.calls)
      for (let k = 0; k < count; k++) {
        const n = 1 + Math.floor(((k + (k > 0 ? i / 2 : 0)) * point.calls) / count)
        all.push({ point, n, start, what: `${point.call} ${n} of a ${point.file} from step ${start.before}` })
      }
    }
  }
  return all
}

/** Runs the workload with a fault in it. `hit`: it came to that. */
async function runWith(fault: string, { point, start, n }: Round, from: string, to: string) {
  mkdirSync(to)
  const data = join(to, 'data')
  if (start.before > 0) cpSync(join(from, 'killed'), data, { recursive: true })
  const trace = join(to, 'trace')
  const paths = files[point.file].flatMap((path) => ['-P', join(data, path)])
  const calls = `/^${point.call}(at2?)?$` // Some processors have only renameat, mkdirat and so on.
  const options = [...paths, '-o', trace, '-e', `trace=${calls}`, '-e', `inject=${calls}:${fault}:when=${n}`]
  const script = [workload, data, `${start.steps}`, 'close']
  const { lines, errors, code, signal } = await runTraced(options, script, join(from, 'cache'))
  const hit = fault.startsWith('signal') ? signal !== null : readFileSync(trace, 'utf8').includes('(INJECTED)')
  return { point, lines, errors, code, data, hit, least: Math.max(start.before, acknowledgedIn(lines)) }
}

type Run = Awaited<ReturnType<typeof runWith>>

/** One after the other, in two lanes. Gives how many of the faults came to pass. */
async function campaign(t: TestContext, faults: readonly string[], check: (run: Run) => void): Promise<number> {
  const folder = memoryFolder(t)
  const options = ['-o', '/dev/null', '-e', 'trace=none']
  await runTraced(options, [workload, join(folder, 'first'), '1', 'close'], join(folder, 'cache'))
  const steps = `${(starts[1]?.before ?? 0) + 5}`
  await runTraced(options, [workload, join(folder, 'killed'), steps, 'kill'], join(folder, 'cache'))
  const waiting = [...rounds(pointsEach).entries()]
  const count = waiting.length
  let hits = 0
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [i, round] = next
      const fault = faults[i % faults.length] ?? ''
      const run = await runWith(fault, round, folder, join(folder, `${i}`))
      if (run.hit) hits += 1
      try {
        check(run)
        await afterCrash(run.data, run.least)
      } catch (thrown) {
        waiting.length = 0
        const said = [...run.lines.slice(-3), run.errors].join(' | ')
        throw new Error(`${fault} at ${round.what}: ${said}: ${String(thrown)}`, { cause: thrown })
      }
      rmSync(join(folder, `${i}`), { recursive: true })
    }
  }
  // Both have ended before the folder is removed, also when one fails.
  const lanes = [lane(), lane()]
  await Promise.allSettled(lanes)
  await Promise.all(lanes)
  // Whether a thread comes to its n-th call depends on which thread of several took what.
  assert.ok(hits > count * 0.6, `${hits} of ${count} faults came to pass`)
  return hits
}

test('killed at any write, sync or change of a name, a store has all that was acknowledged', { skip }, async (t) => {
  t.diagnostic(`${await campaign(t, ['signal=SIGKILL'], () => undefined)} kills`)
})

test('a write, sync or change of a name that fails ends the store, and it has all that was acknowledged', {
  skip,
}, async (t) => {
  const hits = await campaign(t, ['error=EIO', 'error=ENOSPC'], ({ point, lines, errors, code, hit }) => {
    assert.equal(errors, '')
    const failed = lines.findIndex((line) => line.startsWith('failed '))
    // What cannot be removed does no harm, and a table or its list may fail when nothing is written any more.
    const mustFail = hit && point.file !== 'table' && point.file !== 'manifest' && !/unlink|mkdir/.test(point.call)
    assert.ok(failed >= 0 || !mustFail, 'it went on')
    assert.equal(code, failed < 0 ? 0 : 1)
    if (failed < 0) return
    const after = lines.slice(failed)
    assert.ok(
      after.every((line) => line.startsWith('failed ')),
      'something was acknowledged after the failure',
    )
    assert.ok(
      after.every((line) => !/restore|--accept-loss/.test(line)),
      'a disk that fails is no damaged store',
    )
  })
  t.diagnostic(`${hits} errors`)
})
