// nitka export FILE: what the store of a data folder holds, a line of JSON a record, to a file or to standard output.

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { NitkaError } from '@nitka/protocol'
import type { Config } from '../config.ts'
import type { Archive } from '../engines/embedded/archive.ts'
import { type ArchiveSection, archiveOrder } from '../engines/embedded/archive-records.ts'
import type { LogName } from '../log/log-store.ts'
import { ownVersion } from '../version.ts'
import { realClock } from '../world.ts'
import { type ExportFooter, type ExportHeader, formatVersion, writeLine } from './archive/lines.ts'
import { countsText, openExisting } from './archive/store.ts'
import { type Command, readArguments, wrongUsage } from './command.ts'
import { bytesText } from './doctor/finding.ts'
import { Progress } from './progress.ts'
import { usage } from './usage.ts'

const textAtOnce = 256 * 1024

interface Part {
  readonly sections: readonly ArchiveSection[]
  readonly logs: (log: LogName) => boolean
}

const everything: Part = { sections: archiveOrder, logs: () => true }
const parts: Readonly<Record<string, Part>> = {
  rooms: { sections: ['room', 'member', 'log', 'cursor', 'sent'], logs: ({ kind }) => kind === 'room' },
  direct: { sections: ['log', 'cursor', 'sent'], logs: ({ kind }) => kind !== 'room' },
  tasks: { sections: ['queue', 'task', 'once'], logs: () => false },
}

export async function exportStore(args: readonly string[], command: Command): Promise<number> {
  const asked = usage(() => {
    const { config, rest, own, on } = readArguments(args, command.flags, 1)
    const [file] = rest
    if (file === undefined) throw wrongUsage(command)
    const part = own.only === undefined ? everything : Object.hasOwn(parts, own.only) ? parts[own.only] : undefined
    if (part === undefined) throw new NitkaError('invalid', `--only is one of ${Object.keys(parts).join(', ')}`)
    return { config, file, part, only: own.only, json: on.has('json') }
  })
  if (asked === undefined) return 2
  const { config, file, part, only, json } = asked
  const engine = await openExisting(config)
  try {
    const sink = await openSink(file)
    const summary = await write(engine.archive, part, only, sink).catch(async (error: unknown) => {
      await sink.abandon()
      throw error
    })
    await sink.finish()
    tell(config, file, summary, json)
    return summary.holes === 0 ? 0 : 1
  } finally {
    await engine.close()
  }
}

interface Summary extends ExportFooter {
  readonly bytes: number
  /** Entries that could not be read. */
  readonly holes: number
}

async function write(archive: Archive, part: Part, only: string | undefined, sink: Sink): Promise<Summary> {
  const progress = new Progress('exporting', await archive.size(part.logs), realClock)
  const hash = createHash('sha256')
  const counts: Record<string, number> = {}
  let [waiting, bytes, records, holes] = ['', 0, 0, 0]
  const flush = async (): Promise<void> => {
    const piece = Buffer.from(waiting)
    waiting = ''
    hash.update(piece)
    bytes += piece.length
    await sink.write(piece)
  }
  waiting = `${JSON.stringify(headerOf(archive, only))}\n`
  for await (const record of archive.records(new Set(part.sections), part.logs)) {
    waiting += `${writeLine(record)}\n`
    counts[record.type] = (counts[record.type] ?? 0) + 1
    if (record.type === 'hole') holes += record.to - record.from + 1
    progress.at(++records, `${records} records`)
    if (waiting.length >= textAtOnce) await flush()
  }
  await flush()
  progress.end()
  const footer: ExportFooter = { type: 'end', counts, sha256: hash.digest('hex') }
  const last = Buffer.from(`${JSON.stringify(footer)}\n`)
  await sink.write(last)
  return { ...footer, bytes: bytes + last.length, holes }
}

function headerOf({ generation }: Archive, only: string | undefined): ExportHeader {
  return {
    ...{
      format: 'nitka-export',
      version: formatVersion,
      nitka: ownVersion(),
      time: new Date(realClock.now()).toISOString(),
    },
    ...(only === undefined ? undefined : { only }),
    generation,
  }
}

function tell({ data }: Config, file: string, { counts, sha256, bytes, holes }: Summary, json: boolean): void {
  const summary = JSON.stringify({ data, file, counts, bytes, sha256, damaged: holes })
  const line = json ? summary : `${data}: ${countsText(counts)}; ${bytesText(bytes)} in ${file}`
  // Standard output is the export's when it goes there.
  if (file === '-') process.stderr.write(`${json ? line : `nitka: ${line}`}\n`)
  else console.log(line)
  if (holes > 0) console.error(`nitka: ${holes} damaged entries are missing in it; see docs/storage.md`)
}

interface Sink {
  write(bytes: Buffer): Promise<void>
  /** Everything is written. */
  finish(): Promise<void>
  abandon(): Promise<void>
}

function openSink(file: string): Promise<Sink> {
  return file === '-' ? Promise.resolve(standardOutput()) : fileSink(file)
}

function standardOutput(): Sink {
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        process.stdout.write(bytes, (error) => {
          if (error) reject(new NitkaError('unavailable', `standard output was closed: ${error.message}`))
          else resolve()
        })
      }),
    finish: async () => {},
    abandon: async () => {},
  }
}

/** Written beside the file and renamed, so that under its name there is never half of it. */
async function fileSink(file: string): Promise<Sink> {
  if (existsSync(file)) throw new NitkaError('conflict', `${file} exists already; choose another name`)
  const beside = `${file}.part`
  const handle = await fault(file, () => open(beside, 'w', 0o600))
  return {
    write: (bytes) => fault(file, () => writeAll(handle, bytes)),
    finish: () =>
      fault(file, async () => {
        await handle.sync()
        await handle.close()
        await rename(beside, file)
      }),
    abandon: async () => {
      await handle.close().catch(() => {})
      await rm(beside, { force: true })
    },
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done)).bytesWritten
}

async function fault<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw new NitkaError('unavailable', `cannot write ${file}: ${(error as Error).message}`, { cause: error })
  }
}
