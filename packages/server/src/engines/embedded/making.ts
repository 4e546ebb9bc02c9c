// Making a store so that a crash at any moment leaves one that can be opened: first the mark, which says that nothing was
// acknowledged, then LevelDB's files in a folder aside, which gets its name when they are complete.

import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type DiskOptions, openDisk } from './disk.ts'
import { syncFolder } from './folders.ts'

/** Makes an empty LevelDB store that is whole as soon as it is there. Does nothing where something is. */
export async function makeStore(dataDir: string, options: Omit<DiskOptions, 'create'>): Promise<void> {
  const aside = mkdtempSync(join(dataDir, '.making-'))
  try {
    const disk = await openDisk(join(aside, 'store'), { ...options, create: true })
    await disk.close()
    syncFolder(join(aside, 'store'))
    renameSync(join(aside, 'store'), join(dataDir, 'store'))
  } catch (thrown) {
    // Another process was faster, or a folder of that name was there: LevelDB may do with it what it can.
    if (!existsSync(join(dataDir, 'store'))) throw thrown
  } finally {
    rmSync(aside, { recursive: true, force: true })
  }
}

/** Removes what processes left that died while they made the store. It must be open, so that nobody makes it now. */
export function removeUnfinished(dataDir: string): void {
  for (const name of readdirSync(dataDir)) {
    if (name.startsWith('.making-')) rmSync(join(dataDir, name), { recursive: true, force: true })
  }
}
