// The power fails: what a process asked of the disk is recorded, call by call, and the store is opened on what a disk may hold
// after any moment of that. What was acknowledged by then must be there, whole and in order, and nothing that was not asked.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type DiskKind, RecordedDisk, recordedCalls } from '../testing/recorded-disk.ts'
import { memoryFolder } from '../testing/store-folder.ts'
import { seeded } from '../testing/store-image.ts'
import { acknowledgedIn, afterCrash, stepText } from '../testing/store-steps.ts'
import { readTrace, runTraced, straceMissing } from '../testing/strace.ts'

const workload = fileURLToPath(new URL('../testing/store-workload.ts', import.meta.url))
const skip = straceMissing()
const images = Number(process.env.NITKA_IMAGES ?? 120)
/** So many are made of one recording. */
const imagesEach = 240

/** Lets the workload go on in `data` and records it. `more`: for strace. */
async function record(
  disk: RecordedDisk,
  data: string,
  steps: number,
  end: 'kill' | 'close',
  more: readonly string[] = ['--seccomp-bpf'],
) {
  const aside = join(dirname(data), '..')
  const trace = join(aside, 'trace')
  const options = ['-xx', '-s', '10000000', '-o', trace, '-e', `trace=?${recordedCalls.join(',?')}`, ...more]
  const { errors } = await runTraced(options, [workload, data, `${steps}`, end], join(aside, 'cache'))
  assert.equal(errors, '')
  disk.add(readTrace(trace))
}

/** The steps that were acknowledged at the moment `at` are those below. */
function acknowledged(disk: RecordedDisk, at: number): number {
  return acknowledgedIn(disk.told.filter((told) => told.at <= at).map(({ text }) => text))
}

/** How many acknowledgements came, each after what it acknowledges was synced. */
function checkAcknowledgements(disk: RecordedDisk): number {
  let checked = 0
  for (const { at, text } of disk.told) {
    const step = Number(/^ack (\d+)/.exec(text)?.[1] ?? -1)
    const said = stepText(step)
    if (said === undefined) continue
    assert.ok(disk.syncedFrom(/\.log$/, said) < at, `step ${step} was acknowledged before it was on disk`)
    checked += 1
  }
  return checked
}

const disks: readonly (readonly [DiskKind, string])[] = [
  ['journal', 'all that was acknowledged is there after a power cut, whatever of the rest the disk has'],
  ['posix', 'and on a disk that has no name whose folder was not synced'],
]

for (const [kind, name] of disks) {
  test(name, { skip }, async (t) => {
    const folder = memoryFolder(t)
    const random = seeded(Number(process.env.NITKA_SEED ?? 7) + (kind === 'journal' ? 0 : 1))
    let root = join(folder, '0')
    mkdirSync(root)
    let least = 0
    for (let done = 0; done < images; done += imagesEach) {
      const disk = new RecordedDisk(root)
      const data = join(root, 'data')
      if (least === 0) await record(disk, data, 120, 'kill')
      await record(disk, data, least + 240, 'close')
      await record(disk, data, least + 330, 'kill')
      assert.ok(checkAcknowledgements(disk) > 100)
      const count = Math.min(images - done, imagesEach)
      const last = await openImages(disk, { kind, random, least, count, image: join(folder, 'image') })
      rmSync(root, { recursive: true })
      // The next recording begins with the last image, or with nothing when a store has become large.
      root = join(folder, `${done + 1}`)
      mkdirSync(root)
      least = last.least > 1_500 ? 0 : last.least
      if (least > 0) last.restore(root)
    }
  })
}

interface Images {
  readonly kind: DiskKind
  readonly random: () => number
  /** So many steps were there before the recording. */
  readonly least: number
  readonly count: number
  readonly image: string
}

/** Opens so many images, each after some moment. Gives the last. */
async function openImages(disk: RecordedDisk, { kind, random, least, count, image }: Images) {
  let last = { least, restore: (_to: string): string => '' }
  for (let i = 0; i < count; i++) {
    const turn = disk.turns[Math.floor(random() * disk.turns.length)] ?? 0
    const at = i % 2 === 0 ? Math.floor(random() * disk.end) : turn + Math.floor(random() * 3) - 1
    const seed = Math.floor(random() * 2 ** 32)
    const restore = (to: string): string => disk.restore(at, kind, seeded(seed), to)
    last = { least: Math.max(least, acknowledged(disk, at)), restore }
    const said = restore(image)
    try {
      await afterCrash(join(image, 'data'), last.least)
    } catch (thrown) {
      const kept = mkdtempSync(join(tmpdir(), 'nitka-image-'))
      restore(kept)
      const what = `after ${at} of ${disk.end}, ${last.least} steps acknowledged, image kept in ${kept}`
      throw new Error(`${what}: ${said}: ${String(thrown)}`, { cause: thrown })
    }
    rmSync(image, { recursive: true })
  }
  return last
}

test('nothing is acknowledged before its sync has returned, however long that takes', { skip }, async (t) => {
  const root = memoryFolder(t)
  const data = join(root, 'disk', 'data')
  mkdirSync(dirname(data))
  const disk = new RecordedDisk(dirname(data))
  await record(disk, data, 24, 'close', ['-e', 'inject=fdatasync:delay_enter=100000'])
  assert.equal(acknowledged(disk, Infinity), 24)
  assert.ok(checkAcknowledgements(disk) >= 8)
})
