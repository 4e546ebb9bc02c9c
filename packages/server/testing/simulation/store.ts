// The simulated disk below the embedded engine: what is kept, and what one process sees of it. A batch is on its way for a
// while; a kill keeps it whole or not at all, and always what was said to be synced.

import type { Disk, Row, Scan, View, Write } from '../../src/engines/embedded/disk.ts'
import { type Opened, type OpeningOptions, startChain } from '../../src/engines/embedded/opening.ts'
import { readMeta } from '../../src/engines/embedded/schema.ts'
import type { Clock } from '../../src/world.ts'
import type { Chance } from './chance.ts'

export interface DiskRules {
  /** How long a batch takes, and a read, at most. */
  readonly commitMs: number
  readonly readMs: number
  /** So often of a hundred times a batch takes up to `stallMs`. */
  readonly stallPercent: number
  readonly stallMs: number
}

interface Version {
  readonly batch: number
  /** Undefined: removed. */
  readonly value: Buffer | undefined
}

/** What outlives the process. */
export class KeptStore {
  /** The number in the mark: the last batch whose callers were told. */
  marked = 0
  /** How many batches were applied. */
  batches = 0
  #keys: string[] = []
  readonly #values = new Map<string, Version[]>()

  apply(writes: readonly Write[]): void {
    this.batches++
    for (const write of writes) {
      const key = write.key.toString('latin1')
      const value = write.type === 'put' ? write.value : undefined
      const versions = this.#values.get(key)
      const version = { batch: this.batches, value }
      if (versions !== undefined) versions.push(version)
      else if (value !== undefined) {
        this.#values.set(key, [version])
        this.#keys.splice(this.#place(key), 0, key)
      }
    }
  }

  get(key: Buffer, batch: number): Buffer | undefined {
    return this.#at(key.toString('latin1'), batch)
  }

  scan({ from, to, limit, reverse = false, bytesMax = 1024 * 1024 }: Scan, batch: number): Row[] {
    const [low, high] = [this.#place(from.toString('latin1')), this.#place(to.toString('latin1'))]
    const rows: Row[] = []
    let bytes = 0
    for (let i = 0; i < high - low && rows.length < limit && bytes <= bytesMax; i++) {
      const key = this.#keys[reverse ? high - 1 - i : low + i] as string
      const value = this.#at(key, batch)
      if (value === undefined) continue
      rows.push([Buffer.from(key, 'latin1'), value])
      bytes += key.length + value.length
    }
    return rows
  }

  /** Forgets what nobody can see any more: the process is gone. */
  compact(): void {
    for (const [key, versions] of this.#values) {
      const last = versions.at(-1)
      if (last?.value === undefined) this.#values.delete(key)
      else this.#values.set(key, [last])
    }
    this.#keys = [...this.#values.keys()].sort((a, b) => (a < b ? -1 : 1))
  }

  #at(key: string, batch: number): Buffer | undefined {
    return this.#values.get(key)?.findLast((version) => version.batch <= batch)?.value
  }

  #place(key: string): number {
    let [low, high] = [0, this.#keys.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] as string) < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** One process' handle on it. */
export class SimulatedDisk implements Disk {
  /** Set once the server is up: until then everything takes no time. */
  clock: Clock | undefined
  /** The next batch fails: the disk is broken for this process. */
  failing = false
  readonly #kept: KeptStore
  readonly #chance: Chance
  readonly #rules: DiskRules
  readonly #views = new WeakMap<View, number>()
  #way: readonly Write[] | undefined
  #dead = false

  constructor(kept: KeptStore, chance: Chance, rules: DiskRules) {
    this.#kept = kept
    this.#chance = chance
    this.#rules = rules
  }

  /** Whether a batch is on its way. */
  get committing(): boolean {
    return this.#way !== undefined
  }

  async batch(writes: Write[]): Promise<void> {
    const copy = writes.map((write) =>
      write.type === 'put'
        ? { type: write.type, key: Buffer.from(write.key), value: Buffer.from(write.value) }
        : { type: write.type, key: Buffer.from(write.key) },
    )
    this.#way = copy
    const { commitMs, stallMs, stallPercent } = this.#rules
    const stalled = this.#chance.percent(stallPercent)
    await this.#takes(this.#chance.fraction() * (stalled ? stallMs : commitMs))
    if (this.failing) {
      // Whether it was written after all, nobody can tell.
      if (this.#chance.percent(50)) this.#apply()
      this.#way = undefined
      throw new Error('IO error: the disk is broken')
    }
    this.#apply()
    await this.#takes(this.#chance.fraction() * 2)
  }

  async getMany(keys: readonly Buffer[], view?: View): Promise<(Buffer | undefined)[]> {
    const batch = this.#batchOf(view)
    await this.#reads()
    return keys.map((key) => this.#kept.get(key, batch))
  }

  async scan(scan: Scan): Promise<readonly Row[]> {
    const batch = this.#batchOf(scan.view)
    await this.#reads()
    return this.#kept.scan(scan, batch)
  }

  view(): View {
    const view: View = { close: async () => undefined }
    this.#views.set(view, this.#kept.batches)
    return view
  }

  async close(): Promise<void> {
    this.#dead = true
  }

  /** The process is gone: what was on its way is there, or is not. */
  kill(): void {
    this.#dead = true
    if (this.#chance.percent(50)) this.#apply()
    this.#way = undefined
    this.#kept.compact()
  }

  #apply(): void {
    if (this.#way !== undefined) this.#kept.apply(this.#way)
    this.#way = undefined
  }

  #batchOf(view: View | undefined): number {
    return (view && this.#views.get(view)) ?? this.#kept.batches
  }

  #reads(): Promise<void> {
    return this.#takes(this.#chance.fraction() * this.#rules.readMs)
  }

  /** What a dead process waits for never comes. */
  #takes(ms: number): Promise<void> {
    const { clock } = this
    if (this.#dead) return new Promise(() => undefined)
    return clock === undefined ? Promise.resolve() : new Promise((resolve) => clock.after(ms, resolve))
  }
}

/** Opens what is kept, with the checks of the chain. */
export async function openKept(kept: KeptStore, disk: Disk, options: OpeningOptions): Promise<Opened> {
  const mark = {
    write: (batch: number): void => {
      kept.marked = batch
    },
    close: () => undefined,
  }
  const chain = await startChain(options, { disk, mark, meta: await readMeta(disk), marked: kept.marked })
  return { disk, mark, ...chain, unverified: [], dropped: 0 }
}
