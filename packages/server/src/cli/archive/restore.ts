// From the lines of an export to a store: every line is checked before anything of it is kept, and the checksum at the end
// decides whether any of it is.

import { createHash } from 'node:crypto'
import { NitkaError } from '@nitka/protocol'
import type { Archive } from '../../engines/embedded/archive.ts'
import type { ArchiveRecord } from '../../engines/embedded/archive-records.ts'
import { type ExportFooter, type ExportHeader, type LineRecord, readHeader, readLine } from './lines.ts'
import { ArchiveOrder } from './order.ts'

/** So many records, or so many bytes of lines, are stored together. */
const recordsAtOnce = 2_000
const bytesAtOnce = 2 ** 20

export interface Restored {
  readonly counts: Readonly<Record<string, number>>
  /** Entries that the store had lost that was exported. */
  readonly holes: number
}

/** Reads one file. @throws NitkaError `invalid` with the number of the line */
export class ArchiveFile {
  readonly #lines: AsyncIterator<Buffer>
  readonly #hash = createHash('sha256')
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  #number = 0
  /** Bytes read so far. */
  bytes = 0

  constructor(lines: AsyncGenerator<Buffer>) {
    this.#lines = lines
  }

  async header(): Promise<ExportHeader> {
    const line = await this.#next()
    if (line === undefined) throw new NitkaError('invalid', 'there is nothing in it')
    this.#count(line)
    return this.#at(this.#number, () => readHeader(this.#text(line)))
  }

  /** Stores everything up to the footer. Resolves when the footer has agreed. */
  async restore(archive: Archive, told: (records: number) => void): Promise<Restored> {
    const order = new ArchiveOrder()
    const counts: Record<string, number> = {}
    let records = 0
    let holes = 0
    let batch = new Batch(archive)
    for (let line = await this.#next(); line !== undefined; line = await this.#next()) {
      const text = this.#at(this.#number, () => this.#text(line as Buffer))
      const found = this.#at(this.#number, () => readLine(text))
      if (found.type === 'end') {
        await batch.store()
        this.#at(this.#number, () => {
          order.end()
          this.#agree(found, counts)
        })
        await this.#demandEnd()
        return { counts, holes }
      }
      this.#count(line)
      const record = this.#at(this.#number, () => accept(found, order, archive))
      counts[record.type] = (counts[record.type] ?? 0) + 1
      if (record.type === 'hole') holes += record.to - record.from + 1
      batch.add(record, this.#number, line.length)
      told(++records)
      if (!batch.full) continue
      await batch.store()
      batch = new Batch(archive)
    }
    throw new NitkaError('invalid', `it ends after line ${this.#number} without its last line: it was cut off`)
  }

  #agree({ sha256, counts }: ExportFooter, found: Readonly<Record<string, number>>): void {
    if (sha256 !== this.#hash.digest('hex')) {
      throw new NitkaError('invalid', 'the checksum is another: the file was changed or damaged', { field: 'sha256' })
    }
    for (const type of new Set([...Object.keys(counts), ...Object.keys(found)])) {
      const [told, there] = [counts[type] ?? 0, found[type] ?? 0]
      if (told === there) continue
      throw new NitkaError('invalid', `counts.${type} is ${told}, and there are ${there}`, { field: `counts.${type}` })
    }
  }

  async #demandEnd(): Promise<void> {
    const more = await this.#next()
    if (more !== undefined) throw new NitkaError('invalid', `line ${this.#number}: something comes after the last line`)
  }

  async #next(): Promise<Buffer | undefined> {
    const { done, value } = await this.#lines.next()
    if (done === true) return undefined
    this.#number++
    this.bytes += value.length + 1
    return value
  }

  #count(line: Buffer): void {
    this.#hash.update(line).update('\n')
  }

  #text(line: Buffer): string {
    try {
      return this.#decoder.decode(line)
    } catch {
      throw new NitkaError('invalid', 'not UTF-8')
    }
  }

  #at<Result>(number: number, read: () => Result): Result {
    try {
      return read()
    } catch (error) {
      throw atLine(number, error)
    }
  }
}

function accept(line: LineRecord, order: ArchiveOrder, archive: Archive): ArchiveRecord {
  const record = order.accept(line)
  archive.check(record)
  return record
}

function atLine(number: number, error: unknown): unknown {
  if (!(error instanceof NitkaError)) return error
  return new NitkaError(error.code, `line ${number}: ${error.message}`, { cause: error })
}

/** Records that are stored together, and the lines in which they stood. */
class Batch {
  readonly #archive: Archive
  readonly #records: ArchiveRecord[] = []
  readonly #numbers = new Map<ArchiveRecord, number>()
  #bytes = 0

  constructor(archive: Archive) {
    this.#archive = archive
  }

  get full(): boolean {
    return this.#records.length >= recordsAtOnce || this.#bytes >= bytesAtOnce
  }

  add(record: ArchiveRecord, number: number, bytes: number): void {
    this.#records.push(record)
    this.#numbers.set(record, number)
    this.#bytes += bytes
  }

  async store(): Promise<void> {
    let refusal: unknown
    await this.#archive.restore(this.#records, (record, error) => {
      refusal ??= atLine(this.#numbers.get(record) ?? 0, error)
    })
    if (refusal !== undefined) throw refusal
  }
}
