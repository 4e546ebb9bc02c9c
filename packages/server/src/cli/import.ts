// nitka import FILE: an export becomes the store of a new data folder, all of it or nothing.

import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { NitkaError } from '@nitka/protocol'
import type { Config } from '../config.ts'
import { adoptStaged, dropStaged, stageStore } from '../engines/embedded/adopt.ts'
import { realClock } from '../world.ts'
import { readLines } from './archive/line-reader.ts'
import { ArchiveFile, type Restored } from './archive/restore.ts'
import { countsText, openOffline } from './archive/store.ts'
import { type Command, readArguments, wrongUsage } from './command.ts'
import { Progress } from './progress.ts'
import { usage } from './usage.ts'

export async function importStore(args: readonly string[], command: Command): Promise<number> {
  const asked = usage(() => {
    const { config, rest, on } = readArguments(args, command.flags, 1)
    const [file] = rest
    if (file === undefined) throw wrongUsage(command)
    return { config, file, json: on.has('json') }
  })
  if (asked === undefined) return 2
  const { config, file, json } = asked
  const { counts, holes } = await restore(config, file)
  if (json) console.log(JSON.stringify({ data: config.data, file, counts, damaged: holes }))
  else console.log(`${config.data}: ${countsText(counts)}`)
  if (holes > 0) console.error(`nitka: ${holes} entries were damaged before the export, and are missing`)
  return 0
}

async function restore(config: Config, file: string): Promise<Restored> {
  const { input, bytes } = await source(file)
  const archive = new ArchiveFile(readLines(input))
  const dataDir = resolve(config.data)
  const named = (error: unknown): unknown =>
    error instanceof NitkaError && error.code === 'invalid'
      ? new NitkaError('invalid', `${file}: ${error.message}; nothing was imported`, { cause: error })
      : error
  const header = await archive.header().catch((error: unknown) => Promise.reject(named(error)))
  const folder = await stageStore(dataDir)
  const progress = new Progress('importing', bytes, realClock)
  try {
    // A past that comes back is another past: what was fenced off in the old one stays so.
    const engine = await openOffline(config, folder, { generation: header.generation + 1 })
    let restored: Restored
    try {
      restored = await archive.restore(engine.archive, (records) => progress.at(archive.bytes, `${records} records`))
    } finally {
      await engine.close()
    }
    adoptStaged(dataDir)
    return restored
  } catch (error) {
    dropStaged(dataDir)
    throw named(error)
  } finally {
    progress.end()
  }
}

/** The bytes of the file, and how many there are; 0: nobody knows. */
async function source(file: string): Promise<{ readonly input: AsyncIterable<Buffer>; readonly bytes: number }> {
  if (file === '-') return { input: process.stdin, bytes: 0 }
  try {
    const handle = await open(file)
    const { size } = await handle.stat()
    return { input: handle.createReadStream({ highWaterMark: 256 * 1024 }), bytes: size }
  } catch (error) {
    throw new NitkaError('not-found', `cannot read ${file}: ${(error as Error).message}`, { cause: error })
  }
}
