// Opening the store: everything that must hold before the first read is served, and one clear line for each thing that does
// not. Refusing is the answer to every doubt: LevelDB opens a store that has lost acknowledged batches without a word.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NitkaError } from '@nitka/protocol'
import type { Random } from '../../world.ts'
import type { Durability } from '../engine.ts'
import { link, readChain } from './chain.ts'
import { type Disk, openDisk } from './disk.ts'
import { makeFolders, syncFolder } from './folders.ts'
import { causeOf } from './health.ts'
import { makeStore, removeUnfinished } from './making.ts'
import { cutUnfinishedEdit, manifestOf } from './manifest.ts'
import { Mark, makeMark, readMark } from './mark.ts'
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
  /** Of a store that is made now: how often its past began anew, this time included. */
  readonly generation: number
  /** Go on although acknowledged commits are missing: a new chain, a new epoch. */
  readonly acceptLoss: boolean
  /** Stands between the engine and LevelDB: for tests. */
  readonly wrap: (disk: Disk) => Disk
}

export interface Opened {
  readonly disk: Disk
  readonly mark: Pick<Mark, 'write' | 'close'>
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
  if (!found) await makeNew(options)
  const { level, unverified } = await openLevel(options, folder, marked !== 0)
  const disk = options.wrap(level)
  let mark: Mark | undefined
  try {
    const meta = await checkedMeta(options, disk, found)
    // Only now, with LevelDB's lock held, may this process touch the mark of a store.
    removeUnfinished(dataDir)
    makeMark(dataDir, schemaVersion)
    mark = new Mark(dataDir, schemaVersion)
    syncFolder(folder)
    syncFolder(dataDir)
    const { epoch, generation, last } = await startChain(options, { disk, mark, meta, marked })
    mark.sync()
    return { disk, mark, epoch, generation, last, unverified, dropped: droppedLines(folder) }
  } catch (thrown) {
    mark?.close()
    await disk.close()
    throw thrown instanceof NitkaError ? thrown : unreadable(dataDir, thrown)
  }
}

function makeFolder(dataDir: string): void {
  try {
    makeFolders(dataDir)
  } catch (thrown) {
    throw closed(dataDir, thrown, 'create')
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
  if ((mark.state === 'absent' || mark.state === 'unwritten') && !found) return 0
  if (acceptLoss && found) return undefined
  if (mark.state === 'read') {
    throw refuse(dataDir, `batches 1 to ${mark.batch} were acknowledged and the store is not there`)
  }
  throw refuse(
    dataDir,
    `the file committed is ${mark.state === 'absent' ? 'absent' : 'damaged'}, so it cannot be told whether acknowledged writes are missing`,
  )
}

function readMarkOf(dataDir: string): ReturnType<typeof readMark> {
  try {
    return readMark(dataDir)
  } catch (thrown) {
    throw closed(dataDir, thrown, 'read')
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

/** The first start, as far as it may be cut short. */
async function makeNew(options: OpeningOptions): Promise<void> {
  const { dataDir } = options
  try {
    makeMark(dataDir, schemaVersion)
    syncFolder(dataDir)
    await makeStore(dataDir, options)
  } catch (thrown) {
    throw closed(dataDir, thrown, 'write to')
  }
}

async function openLevel(options: OpeningOptions, folder: string, mustExist: boolean) {
  for (let cut = false; ; cut = true) {
    const found = existsSync(join(folder, 'CURRENT'))
    const unverified = found ? await verifyTables(options, folder) : []
    let manifest = ''
    try {
      readLogs(folder)
      if (found) manifest = manifestOf(folder)
      return { level: await openDisk(folder, { ...options, create: !mustExist }), unverified }
    } catch (thrown) {
      if (cut || !/^Corruption/.test(causeOf(thrown).message) || !cutUnfinishedEdit(folder, manifest))
        throw refused(options, thrown)
    }
  }
}

/** A log that LevelDB cannot read counts as empty, and is removed then. So whatever cannot be read is found out before. */
function readLogs(folder: string): void {
  const names = existsSync(folder) ? readdirSync(folder) : []
  for (const name of names.filter((one) => one.endsWith('.log'))) {
    try {
      readFileSync(join(folder, name))
    } catch (thrown) {
      // Another process has the store and is done with this one: LevelDB will say so.
      if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')) throw thrown
    }
  }
}

/** Why LevelDB did not open the store, for a person. */
function refused({ dataDir }: OpeningOptions, thrown: unknown): NitkaError {
  const cause = causeOf(thrown)
  if ('code' in cause && cause.code === 'LEVEL_LOCKED') {
    const what = `${dataDir} is in use by another process: stop it, or choose another folder`
    return new NitkaError('unavailable', what, { cause: thrown })
  }
  if (/permission|read-only|denied|not a directory/i.test(cause.message)) return closed(dataDir, thrown, 'write to')
  return unreadable(dataDir, thrown)
}

/** A folder that does not let this process in, or a disk that fails or is full. */
function closed(dataDir: string, thrown: unknown, doing: 'create' | 'read' | 'write to'): NitkaError {
  const cause = causeOf(thrown)
  if (isTrouble(cause)) return troubled(dataDir, cause)
  const instead =
    doing === 'create' ? 'choose another folder or change its owner' : 'change its owner or its permissions'
  const what = `cannot ${doing} the data folder ${dataDir} (${cause.message}): ${instead}`
  return new NitkaError('unavailable', what, { cause: thrown })
}

/** Errors of the disk or the machine, which say nothing about what is stored. */
function isTrouble(cause: Error): boolean {
  return /no space left|disk quota|i(nput|)\/o(utput|) error|too many open files|allocate memory/i.test(cause.message)
}

function troubled(dataDir: string, cause: Error): NitkaError {
  const what = `${dataDir}: the disk failed (${cause.message}): make room or look at the disk, and start again`
  return new NitkaError('unavailable', what, { cause })
}

async function checkedMeta(options: OpeningOptions, disk: Disk, found: boolean): Promise<Meta | undefined> {
  const { dataDir, durability } = options
  const meta = await readMeta(disk)
  if (meta === undefined) {
    // Empty is right for a new store and for one whose first batch never came to be.
    const mark = readMark(dataDir)
    if (!found || (mark.state === 'read' && mark.batch === 0)) return undefined
    const what = `${dataDir}: its first batch is missing: restore a backup, or begin with another folder (see docs/storage.md)`
    throw new NitkaError('damaged', what)
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
  readonly mark: Opened['mark']
  readonly meta: Meta | undefined
  readonly marked: number | undefined
}

/** Checks the commit chain; makes a new store, migrates an old one, or begins a new chain when loss is accepted. */
export async function startChain(options: OpeningOptions, { disk, mark, meta, marked }: Start) {
  const { dataDir, durability, random } = options
  const newEpoch = () => Buffer.from(random.bytes(12)).toString('base64url')
  const write = async (next: Meta, number: number, writes = [writeMeta(next)]) => {
    await disk.batch([...writes, link(number)], true)
    mark.write(number)
    return { epoch: next.epoch, generation: next.generation, last: number }
  }
  if (meta === undefined)
    return write({ schema: schemaVersion, epoch: newEpoch(), durability, base: 0, generation: options.generation }, 1)
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
  const cause = causeOf(thrown)
  if (isTrouble(cause)) return troubled(dataDir, cause)
  return new NitkaError(
    'damaged',
    `${dataDir}: the store cannot be read (${cause.message}): restore a backup (see docs/storage.md)`,
    { cause: thrown },
  )
}
