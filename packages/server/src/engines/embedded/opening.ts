// Opening the store: everything that must hold before the first read is served, and one clear line for each thing that does
// not. Refusing is the answer to every doubt: LevelDB opens a store that has lost acknowledged batches without a word.

import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NitkaError } from '@nitka/protocol'
import type { Random } from '../../world.ts'
import type { Durability } from '../engine.ts'
import { link, readChain } from './chain.ts'
import { type Disk, openDisk } from './disk.ts'
import { causeOf } from './health.ts'
import { Mark, readMark } from './mark.ts'
import { type Meta, migrate, newerSchema, readMeta, schemaVersion, writeMeta } from './schema.ts'
import { type TableFile, tableFiles, verifyTable } from './tables.ts'

export interface OpeningOptions {
  readonly dataDir: string
  readonly durability: Exclude<Durability, 'replicated'>
  readonly random: Random
  readonly cacheBytes: number
  readonly writeBufferBytes: number
  /** So many bytes of tables are verified before the store opens, the newest first. */
  readonly verifyBytes: number
  /** Go on although acknowledged commits are missing: a new chain, a new epoch. */
  readonly acceptLoss: boolean
  /** Stands between the engine and LevelDB: for tests. */
  readonly wrap: (disk: Disk) => Disk
}

export interface Opened {
  readonly disk: Disk
  readonly mark: Mark
  readonly epoch: string
  /** Counts how often the store began anew after a loss, from 1. */
  readonly generation: number
  /** The number of the last batch. */
  readonly last: number
  /** Tables that are not verified yet. */
  readonly unverified: readonly TableFile[]
  /** Lines in which LevelDB says that it dropped bytes. */
  readonly dropped: number
}

/** @throws NitkaError one line for a person: what is wrong, what to do */
export async function openStore(options: OpeningOptions): Promise<Opened> {
  const { dataDir } = options
  makeFolder(dataDir)
  const folder = join(dataDir, 'store')
  const found = existsSync(join(folder, 'CURRENT'))
  const marked = markedBatch(options, found)
  const unverified = found ? await verifyTables(options, folder) : []
  const disk = options.wrap(await openLevel(options, folder, marked !== 0))
  let mark: Mark | undefined
  try {
    const meta = await checkedMeta(options, disk, found)
    // Only now, with LevelDB's lock held, may this process touch the mark.
    mark = new Mark(dataDir, schemaVersion, !existsSync(join(dataDir, 'committed')))
    const { epoch, generation, last } = await startChain(options, { disk, mark, meta, marked })
    return { disk, mark, epoch, generation, last, unverified, dropped: droppedLines(folder) }
  } catch (thrown) {
    mark?.close()
    await disk.close()
    throw thrown instanceof NitkaError ? thrown : unreadable(dataDir, thrown)
  }
}

function makeFolder(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  } catch (thrown) {
    throw new NitkaError(
      'unavailable',
      `cannot create the data folder ${dataDir} (${causeOf(thrown).message}): choose another folder or change its owner`,
      { cause: thrown },
    )
  }
}

/**
 * The last batch that was acknowledged, as far as the mark knows. Undefined: nobody knows, and that is accepted, as after
 * a backup was put back without its mark. Reads only.
 */
function markedBatch({ dataDir, acceptLoss }: OpeningOptions, found: boolean): number | undefined {
  const mark = readMarkOf(dataDir)
  if (mark.state === 'read' && mark.schema > schemaVersion) throw newerSchema(dataDir, mark.schema)
  if (mark.state === 'read' && (found || mark.batch === 0)) return mark.batch
  if (mark.state === 'absent' && !found) return 0
  if (acceptLoss && found) return undefined
  if (mark.state === 'read') {
    throw refuse(dataDir, `batches 1 to ${mark.batch} were acknowledged and the store is not there`)
  }
  throw refuse(
    dataDir,
    `the file committed is ${mark.state}, so it cannot be told whether acknowledged writes are missing`,
  )
}

function readMarkOf(dataDir: string): ReturnType<typeof readMark> {
  try {
    return readMark(dataDir)
  } catch (thrown) {
    throw new NitkaError(
      'unavailable',
      `cannot read the data folder ${dataDir} (${causeOf(thrown).message}): change its owner or its permissions`,
      { cause: thrown },
    )
  }
}

/** Before LevelDB touches a file: a damaged table can crash it. Gives the tables that were left for later. */
async function verifyTables({ dataDir, verifyBytes }: OpeningOptions, folder: string): Promise<readonly TableFile[]> {
  const files = tableFiles(folder)
  let bytes = 0
  for (const [i, file] of files.entries()) {
    bytes += file.bytes
    if (bytes > verifyBytes) return files.slice(i)
    const problem = await verifyTable(file)
    if (problem !== undefined) {
      throw new NitkaError('damaged', `${dataDir}: ${problem}: restore a backup (see docs/storage.md)`)
    }
  }
  return []
}

async function openLevel(options: OpeningOptions, folder: string, mustExist: boolean): Promise<Disk> {
  try {
    return await openDisk(folder, { ...options, create: !mustExist })
  } catch (thrown) {
    const cause = causeOf(thrown)
    const code = 'code' in cause ? cause.code : ''
    const { dataDir } = options
    if (code === 'LEVEL_LOCKED') {
      throw new NitkaError(
        'unavailable',
        `${dataDir} is in use by another process: stop it, or choose another folder`,
        {
          cause: thrown,
        },
      )
    }
    if (/permission|read-only|denied|not a directory/i.test(cause.message)) {
      throw new NitkaError(
        'unavailable',
        `cannot write to the data folder ${dataDir} (${cause.message}): change its owner or its permissions`,
        { cause: thrown },
      )
    }
    throw unreadable(dataDir, thrown)
  }
}

async function checkedMeta(options: OpeningOptions, disk: Disk, found: boolean): Promise<Meta | undefined> {
  const { dataDir, durability } = options
  const meta = await readMeta(disk)
  if (meta === undefined) {
    // Empty is right for a new store and for one whose first batch never came to be.
    const mark = readMark(dataDir)
    if (found && !(mark.state === 'read' && mark.batch === 0)) throw refuse(dataDir, 'its first batch is missing')
    return undefined
  }
  if (meta.schema > schemaVersion) throw newerSchema(dataDir, meta.schema)
  if (meta.durability !== durability) {
    throw new NitkaError(
      'unavailable',
      `${dataDir} is a store with durability ${meta.durability} and was to be opened with ${durability}: set it to ${meta.durability}, or choose another folder`,
    )
  }
  return meta
}

interface Start {
  readonly disk: Disk
  readonly mark: Mark
  readonly meta: Meta | undefined
  readonly marked: number | undefined
}

/** Checks the commit chain; makes a new store, migrates an old one, or begins a new chain when loss is accepted. */
async function startChain(options: OpeningOptions, { disk, mark, meta, marked }: Start) {
  const { dataDir, durability, random } = options
  const newEpoch = () => Buffer.from(random.bytes(12)).toString('base64url')
  const write = async (next: Meta, number: number, writes = [writeMeta(next)]) => {
    await disk.batch([...writes, link(number)], true)
    mark.write(number)
    return { epoch: next.epoch, generation: next.generation, last: number }
  }
  if (meta === undefined)
    return write({ schema: schemaVersion, epoch: newEpoch(), durability, base: 0, generation: 1 }, 1)
  const { last, missing } = await readChain(disk, meta.base)
  // A relaxed store may lose its end with the machine; the mark says nothing about it.
  const short = durability === 'disk' && marked !== undefined && marked > last
  const lost = missing ?? (short ? { from: last + 1, to: marked } : undefined)
  if (lost !== undefined || marked === undefined) {
    if (lost !== undefined && !options.acceptLoss)
      throw refuse(dataDir, `batches ${lost.from} to ${lost.to} were acknowledged and are missing`)
    const base = Math.max(last, marked ?? last)
    return write({ ...meta, epoch: newEpoch(), base, generation: meta.generation + 1 }, base + 1)
  }
  const migrated = await migrate(disk, meta)
  if (meta.schema < schemaVersion) {
    return write(migrated.meta, last + 1, [...migrated.writes, writeMeta(migrated.meta)])
  }
  mark.write(last)
  return { epoch: meta.epoch, generation: meta.generation, last }
}

/** LevelDB drops what it cannot read of its log and says so only in its own log file. */
function droppedLines(folder: string): number {
  try {
    const lines = readFileSync(join(folder, 'LOG'), 'utf8').split('\n')
    return lines.filter((line) => /dropping|ignoring error/i.test(line)).length
  } catch {
    return 0 // The chain holds; the log file only counts.
  }
}

function refuse(dataDir: string, what: string): NitkaError {
  return new NitkaError(
    'damaged',
    `${dataDir}: ${what}: restore a backup, or start once with --accept-loss to go on without (see docs/storage.md)`,
  )
}

function unreadable(dataDir: string, thrown: unknown): NitkaError {
  if (thrown instanceof NitkaError) return thrown
  return new NitkaError(
    'damaged',
    `${dataDir}: the store cannot be read (${causeOf(thrown).message}): restore a backup (see docs/storage.md)`,
    { cause: thrown },
  )
}
