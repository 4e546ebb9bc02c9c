// The data folder: whose it is, how much room there is, whether a sync is one, and whether the store in it is whole.

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  type Stats,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Config } from '../../config.ts'
import { stagingName } from '../../engines/embedded/adopt.ts'
import { Space } from '../../engines/embedded/space.ts'
import { options } from '../../options.ts'
import type { Clock } from '../../world.ts'
import { problemOf } from '../check.ts'
import { bytesText, type Finding, fail, ok, warn } from './finding.ts'

const syncRounds = 24
const syncPatienceMs = 3_000
/** Below it no disk has been: a commit that fast is still in memory. Above the other, everybody waits for it. */
const [fastMs, slowMs] = [0.02, 20]
/** What of the tables is verified before the doctor goes on; `nitka check` verifies all. */
const verifyBytes = 2 ** 30
/** `statfs` of a file system in memory: tmpfs, ramfs. */
const inMemory: ReadonlySet<number> = new Set([0x01021994, 0x858458f6])

/** @param served whether a nitka answers at the address of these options */
export async function dataFindings(config: Config, clock: Clock, served: Promise<boolean>): Promise<Finding[]> {
  const folder = resolve(config.data)
  const [found, usable] = folderFinding(folder)
  if (!usable) return [found]
  // What is not there yet will be made in the nearest folder that is.
  const at = nearest(folder)
  const space = await spaceFinding(config, at, clock)
  const sync =
    config.durability === 'relaxed'
      ? ok('sync', 'durability is relaxed: nothing is synced')
      : await syncFinding(at, clock)
  return [found, space, sync, await storeFinding(config, folder, found, await served)]
}

function nearest(folder: string): string {
  return existsSync(folder) || folder === dirname(folder) ? folder : nearest(dirname(folder))
}

/** And whether it is worth looking further. */
function folderFinding(folder: string): [finding: Finding, usable: boolean] {
  const at = nearest(folder)
  const there = at === folder
  const known = statSync(at)
  const choose = 'choose another folder with --data'
  if (!known.isDirectory()) return [fail('data', `${at} is no folder`, choose), false]
  if (!writable(at)) {
    const says = there ? `${folder} cannot be written` : `${folder} is not there and cannot be made in ${at}`
    return [fail('data', says, 'change its owner or its permissions'), false]
  }
  if (!there) return [ok('data', `${folder} is not there yet; the first start makes it`), true]
  return [ownerFinding(folder, known), true]
}

function ownerFinding(folder: string, { uid, mode }: Stats): Finding {
  const mine = process.getuid?.()
  if (mine !== undefined && mine !== uid) {
    const says = `${folder} belongs to user ${uid}, and this is user ${mine}`
    return warn('data', says, `run the server, and this, as user ${uid}, or files in it will have two owners`)
  }
  if ((mode & 0o007) !== 0) {
    return warn('data', `every user of this machine may look into ${folder}`, `chmod o= ${folder}`)
  }
  if (existsSync(join(folder, stagingName))) {
    const todo = `remove ${join(folder, stagingName)} when no import runs`
    return warn('data', `an import into ${folder} did not end`, todo)
  }
  return ok('data', folder)
}

function writable(folder: string): boolean {
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function spaceFinding({ reserveBytes }: Config, at: string, clock: Clock): Promise<Finding> {
  const told = { free: Number.NaN, total: Number.NaN }
  // As the server would: left alone, it keeps a share of a large disk.
  const space = new Space(
    at,
    reserveBytes === options.reserveBytes.default ? undefined : reserveBytes,
    clock,
    async () => {
      const { bavail, blocks, bsize } = statfsSync(at)
      told.free = bavail * bsize
      told.total = blocks * bsize
      return { freeBytes: told.free, totalBytes: told.total }
    },
  )
  await space.check()
  const room = 'make room, move the data folder, or lower --reserve-bytes'
  if (space.low !== undefined) return fail('disk', `${space.low}: nothing would be stored`, room)
  if (Number.isNaN(told.free))
    return ok('disk', reserveBytes === 0 ? 'no reserve' : 'this file system does not say what is free')
  const says = `${bytesText(told.free)} of ${bytesText(told.total)} free`
  return told.free < 2 ** 30 ? warn('disk', says, room) : ok('disk', says)
}

/** Writes a little and syncs it, some times, in a folder of its own that is removed again. */
async function syncFinding(at: string, clock: Clock): Promise<Finding> {
  const times: number[] = []
  const folder = mkdtempSync(join(at, '.nitka-doctor-'))
  try {
    // The first one beside the loop: on a disk that hangs the doctor can still say so. The others measure the disk alone.
    const first = await open(join(folder, 'first'), 'w')
    await first.write('x')
    await first.datasync()
    await first.close()
    const file = openSync(join(folder, 'sync'), 'w')
    const block = Buffer.alloc(4_096, 1)
    const begun = clock.monotonic()
    while (times.length < syncRounds && clock.monotonic() - begun < syncPatienceMs) {
      const from = clock.monotonic()
      writeSync(file, block)
      fdatasyncSync(file)
      times.push(clock.monotonic() - from)
    }
    closeSync(file)
  } catch (error) {
    return fail('sync', `writing to the disk failed: ${(error as Error).message}`, 'look at the disk')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  times.sort((a, b) => a - b)
  const median = times[Math.floor(times.length / 2)] ?? 0
  const longest = times.at(-1) ?? 0
  const says = `a commit takes ${median.toFixed(2)} ms, the longest of ${times.length} took ${longest.toFixed(2)} ms`
  if (inMemory.has(statfsSync(at).type)) {
    return warn(
      'sync',
      `${at} is in memory, not on a disk`,
      'what is confirmed is lost with the machine; choose a disk',
    )
  }
  if (median < fastMs) {
    const todo = 'make sure that the disk really writes: a virtual disk or a cache may only say so'
    return warn('sync', `${says}: too fast to be true`, todo)
  }
  if (median > slowMs) return warn('sync', `${says}: every confirmation waits for that`, 'choose a faster disk')
  return ok('sync', says)
}

async function storeFinding(config: Config, folder: string, data: Finding, served: boolean): Promise<Finding> {
  const files = existsSync(folder) ? readdirSync(folder) : []
  if (!files.includes('store') && !files.includes('committed')) return ok('store', 'none yet; the first start makes it')
  if (data.state === 'warn' && process.getuid?.() !== statSync(folder).uid) {
    // Opening makes files, which would belong to the wrong user.
    return warn(
      'store',
      'not opened, because its folder belongs to somebody else',
      'run this as the owner of the folder',
    )
  }
  const problem = await problemOf(config, verifyBytes)
  if (problem === undefined) return ok('store', 'whole')
  if (!/in use by another process/.test(problem)) return fail('store', problem, 'see docs/storage.md')
  if (served) return ok('store', 'in use by the server that runs')
  return warn(
    'store',
    'in use by another process, and no server answers where these options say',
    'see which one it is',
  )
}
