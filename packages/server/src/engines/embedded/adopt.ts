// Makes a store that was built aside the store of a data folder, in one step: whoever opens the folder finds nothing before
// it and everything after it. Built inside the folder, so that it is on the same disk, be that one a mount of its own.

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { NitkaError } from '@nitka/protocol'
import { openDisk } from './disk.ts'
import { syncFolder } from './folders.ts'
import { causeOf } from './health.ts'
import { makeMark, readMark } from './mark.ts'
import { schemaVersion } from './schema.ts'

/** Where a store is built, in its data folder. Left behind by a crash, it means nothing. */
export const stagingName = '.importing'

/**
 * A fresh folder to build a store in. What a crash left there is removed.
 * @throws NitkaError `conflict` the data folder holds something, or another process builds there
 */
export async function stageStore(dataDir: string): Promise<string> {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    demandNothing(dataDir)
  } catch (thrown) {
    if (thrown instanceof NitkaError) throw thrown
    const why = causeOf(thrown).message
    throw new NitkaError('unavailable', `cannot use the folder ${dataDir} (${why})`, { cause: thrown })
  }
  const folder = join(dataDir, stagingName)
  if (existsSync(join(folder, 'store'))) await demandUnused(dataDir, join(folder, 'store'))
  rmSync(folder, { recursive: true, force: true })
  return folder
}

/** Removes what was built, and the data folder when nothing else is in it. */
export function dropStaged(dataDir: string): void {
  rmSync(join(dataDir, stagingName), { recursive: true, force: true })
  if (readdirSync(dataDir).length === 0) rmSync(dataDir, { recursive: true, force: true })
}

/**
 * The store that was built becomes that of the folder. It must be closed.
 * @throws NitkaError `conflict` a server made one meanwhile
 */
export function adoptStaged(dataDir: string): void {
  const folder = join(dataDir, stagingName)
  demandNothing(dataDir)
  // With a mark of nothing a folder without a store is a new one, and a store beside it is taken for what it is.
  makeMark(dataDir, schemaVersion)
  syncFolder(dataDir)
  try {
    renameSync(join(folder, 'store'), join(dataDir, 'store'))
  } catch (thrown) {
    throw new NitkaError('conflict', `${dataDir} is not empty any more: another process uses it`, { cause: thrown })
  }
  renameSync(join(folder, 'committed'), join(dataDir, 'committed'))
  syncFolder(dataDir)
  rmSync(folder, { recursive: true, force: true })
}

function demandNothing(dataDir: string): void {
  const mark = readMark(dataDir)
  const unused = mark.state === 'unwritten' || (mark.state === 'read' && mark.batch === 0)
  const files = readdirSync(dataDir).filter((name) => name !== stagingName && !(name === 'committed' && unused))
  if (files.length === 0) return
  throw new NitkaError('conflict', `the folder ${dataDir} is not empty: choose a new one with --data`)
}

async function demandUnused(dataDir: string, store: string): Promise<void> {
  try {
    const disk = await openDisk(store, { cacheBytes: 2 ** 20, writeBufferBytes: 2 ** 20, create: false })
    await disk.close()
  } catch (thrown) {
    const cause = causeOf(thrown)
    if (!('code' in cause) || cause.code !== 'LEVEL_LOCKED') return // Damaged by the crash, and to be removed.
    throw new NitkaError('conflict', `another process imports into ${dataDir}`, { cause: thrown })
  }
}
