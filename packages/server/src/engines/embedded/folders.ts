// The names of files and folders reach the disk when the folder that they are in is synced, and on some file systems not before.

import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** Makes the folder and those above it that are not there, and puts their names on disk. */
export function makeFolders(dataDir: string): void {
  const path = resolve(dataDir)
  const highest = mkdirSync(path, { recursive: true, mode: 0o700 }) ?? path
  for (let folder = path; ; folder = dirname(folder)) {
    syncFolder(dirname(folder))
    if (folder === highest || folder === dirname(folder)) return
  }
}

/** Puts on disk which names there are in a folder. Where folders cannot be opened or synced that is all that can be done. */
export function syncFolder(folder: string): void {
  let handle: number | undefined
  try {
    handle = openSync(folder, 'r')
    fsyncSync(handle)
  } catch (thrown) {
    if (!isUnsyncable(thrown)) throw thrown
  } finally {
    if (handle !== undefined) closeSync(handle)
  }
}

const unsyncable = new Set<unknown>(['EACCES', 'EPERM', 'EISDIR', 'EINVAL', 'ENOTSUP', 'EROFS'])

/** Whether an error says that folders cannot be synced here, and not that the disk failed. */
export function isUnsyncable(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && unsyncable.has(thrown.code)
}
