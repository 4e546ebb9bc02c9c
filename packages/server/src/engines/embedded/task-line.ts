// A line of tasks on the disk, of which the next few are in memory. It is read forward only, from where the last reading
// ended: what was taken leaves markers in the store until it is compacted, and whoever reads over them again and again
// makes a long queue slow. The record of the line says where it begins, so that a restart does not read over them either.

import type { EngineCounters } from '../engine.ts'
import type { Disk } from './disk.ts'
import { beyond, key, ordered } from './keys.ts'
import { readStatus, readTask } from './task-codec.ts'
import { type Held, readLineRow, statusKey, taskKey } from './task-records.ts'
import { unseal } from './values.ts'

/** The order within a line. */
export interface Place {
  /** Rank, or the wall time at which it is ready. */
  readonly major: number
  /** Order of arrival. */
  readonly minor: number
}

export interface Placed extends Place {
  readonly held: Held
}

/** So many bytes of task records are read at a time. */
const readBytesMax = 8 * 1024 * 1024
const windowMax = 4_096

export class Line {
  readonly prefix: Buffer
  /** All tasks of the line. */
  count: number
  /** How many the next batch wants in memory; 0: no reading is planned. */
  wanted = 0
  #items: Placed[] = []
  #head = 0
  /** Everything before this place is in memory. */
  #next: Place

  constructor(prefix: Buffer, count = 0, low: Place = { major: 0, minor: 0 }) {
    this.prefix = prefix
    this.count = count
    this.#next = low
  }

  /** How many are in memory. */
  get loaded(): number {
    return this.#items.length - this.#head
  }

  get first(): Placed | undefined {
    return this.#items[this.#head]
  }

  /** No task of the line stands before this place. */
  get low(): Place {
    return this.first ?? this.#next
  }

  /** Adds a task. It is kept in memory when it comes before what is not. Runs once per task that becomes ready. */
  insert(item: Placed): void {
    const whole = this.loaded === this.count
    this.count += 1
    if (!whole && !before(item, this.#next)) return
    const items = this.#items
    const last = items[items.length - 1]
    if (this.loaded === 0 || last === undefined || before(last, item)) items.push(item)
    else items.splice(this.#find(item), 0, item)
    if (!before(item, this.#next)) this.#next = { major: item.major, minor: item.minor + 1 }
    if (this.loaded > 2 * windowMax) this.#cut()
  }

  /** Takes the first one in memory. */
  take(): Placed | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.count -= 1
    this.#head += 1
    if (this.#head > 1_000 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** Takes one out, wherever it stands. */
  remove(place: Place): void {
    this.count -= 1
    const at = this.#find(place)
    const found = this.#items[at]
    if (found === undefined || found.major !== place.major || found.minor !== place.minor) return
    if (at === this.#head) this.#head += 1
    else this.#items.splice(at, 1)
  }

  /** Asks that `count` of them be in memory when the batch is planned. True: a reading is to be planned. */
  want(count: number): boolean {
    if (this.loaded >= Math.min(count, this.count)) return false
    const planned = this.wanted > 0
    this.wanted = Math.max(this.wanted, Math.min(count, windowMax))
    return !planned
  }

  /** Reads on. Between two batches only, when all that is planned is on disk. */
  async read(disk: Disk, counters: EngineCounters): Promise<void> {
    const { wanted } = this
    this.wanted = 0
    while (this.loaded < Math.min(wanted, this.count)) {
      const from = key(this.prefix, ordered(this.#next.major), ordered(this.#next.minor))
      const limit = Math.max(wanted - this.loaded, 16)
      const rows = await disk.scan({ from, to: beyond(this.prefix), limit })
      if (rows.length === 0) {
        counters.damaged += this.count - this.loaded // Only damage makes a line shorter than its count.
        this.count = this.loaded
        return
      }
      await this.#append(disk, counters, rows)
    }
  }

  async #append(disk: Disk, counters: EngineCounters, rows: readonly (readonly [Buffer, Buffer])[]): Promise<void> {
    let bytes = 0
    const found: { place: Place; id: string; tried: boolean }[] = []
    for (const [at, value] of rows) {
      if (bytes > readBytesMax) break
      const place = { major: at.readUIntBE(at.length - 12, 6), minor: at.readUIntBE(at.length - 6, 6) }
      this.#next = { major: place.major, minor: place.minor + 1 }
      const body = unseal(at, value)
      if (body === undefined) continue
      const row = readLineRow(body)
      bytes += row.bytes
      found.push({ place, ...row })
    }
    const tried = found.filter((row) => row.tried)
    const keys = [...found.map(({ id }) => taskKey(id)), ...tried.map(({ id }) => statusKey(id))]
    const values = await disk.getMany(keys)
    const bodies = keys.map((at, i) => {
      const value = values[i]
      return value === undefined ? undefined : unseal(at, value)
    })
    let next = found.length
    for (const [i, { place, id, tried: hasStatus }] of found.entries()) {
      const body = bodies[i]
      const status = hasStatus ? bodies[next++] : undefined
      if (body === undefined || (hasStatus && status === undefined)) {
        counters.damaged += 1
        this.count -= 1
        continue
      }
      const held = {
        stored: readTask(id, body),
        status: status === undefined ? undefined : readStatus(status),
      }
      this.#items.push({ ...place, held })
    }
  }

  /** Forgets the end of what is in memory: it is on the disk. */
  #cut(): void {
    const items = this.#items.slice(this.#head)
    const dropped = items[windowMax]
    if (dropped !== undefined) this.#next = { major: dropped.major, minor: dropped.minor }
    this.#items = items.slice(0, windowMax)
    this.#head = 0
  }

  /** Where in memory the place is, or would be. */
  #find(place: Place): number {
    let low = this.#head
    let high = this.#items.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const item = this.#items[middle]
      if (item !== undefined && before(item, place)) low = middle + 1
      else high = middle
    }
    return low
  }
}

function before(one: Place, other: Place): boolean {
  return one.major < other.major || (one.major === other.major && one.minor < other.minor)
}
