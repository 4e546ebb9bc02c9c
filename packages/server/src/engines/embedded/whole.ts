// All of a store, for whoever carries it to another engine. Nobody else may have the store meanwhile, and nothing of it
// changes: no task is forgotten, no lease begins anew, no entry is trimmed.

import { NitkaError } from '@nitka/protocol'
import type { World } from '../../world.ts'
import type { Durability } from '../engine.ts'
import type { Disk } from './disk.ts'
import { Health } from './health.ts'
import { type Opened, openStore } from './opening.ts'
import { readTokens, tokensKey, tokensPerGeneration } from './pool-store.ts'
import { Reader } from './reader.ts'
import { TaskBook } from './task-book.ts'
import { loadTasks } from './task-opening.ts'
import { wholeRecords } from './whole-read.ts'
import { type Placed, type WholeSection, wholeOrder } from './whole-records.ts'

export interface WholeOptions {
  readonly dataDir: string
  readonly world: World
  readonly durability: Exclude<Durability, 'replicated'>
}

/**
 * Opens the store, once all of its tables are verified.
 * @throws NitkaError one line for a person: it is in use, damaged, of an older version
 */
export async function openWhole({ dataDir, world, durability }: WholeOptions): Promise<WholeStore> {
  const opened = await openStore({
    ...{ dataDir, durability, random: world.random, acceptLoss: false, generation: 1 },
    ...{ cacheBytes: 8 * 1024 * 1024, writeBufferBytes: 1024 * 1024, verifyBytes: Number.POSITIVE_INFINITY },
    wrap: (disk) => unchanged(disk, dataDir),
  })
  const { clock, random } = world
  const book = new TaskBook({
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    fraction: () => random.fraction(),
    queueTasksMax: 0,
  })
  try {
    // What it gives is to be written by a server that goes on with the store.
    await loadTasks(opened.disk, book)
    return new WholeStore(opened, book)
  } catch (error) {
    opened.mark.close()
    await opened.disk.close()
    throw error
  }
}

export class WholeStore {
  /** Names its past: clients know it. */
  readonly epoch: string
  /** How often its past began anew. */
  readonly generation: number
  /** The number of the last batch: another one says that the store is not as it was. */
  readonly batch: number
  readonly #opened: Opened
  readonly #book: TaskBook
  readonly #reader: Reader

  constructor(opened: Opened, book: TaskBook) {
    this.#opened = opened
    this.#book = book
    this.epoch = opened.epoch
    this.generation = opened.generation
    this.batch = opened.last
    const counters = { commits: 0, appends: 0, repeats: 0, failures: 0, damaged: 0, queuedBytes: 0 }
    this.#reader = new Reader(opened.disk, new Health(), counters)
  }

  /**
   * The records of a section in the order of their keys.
   * @param after where the record stands after which to go on
   * @throws NitkaError `damaged` also when an entry is missing: another engine could not say that it was lost
   */
  records<Section extends WholeSection>(section: Section, after?: Buffer): AsyncGenerator<Placed<Section>> {
    return wholeRecords({ reader: this.#reader, book: this.#book }, section, after)
  }

  /** How many records there are, if none is damaged. Reads all but the entries. */
  async size(): Promise<number> {
    let size = 0
    for (const section of wholeOrder) {
      if (section === 'entry') continue
      for await (const [, record] of this.records(section)) {
        size += 1
        if ('head' in record) size += record.head - record.first + 1
      }
    }
    return size
  }

  /** The fencing number after all that were given. @throws NitkaError `damaged` */
  async nextToken(): Promise<number> {
    const body = await this.#reader.view((view) => view.body(tokensKey))
    return Math.max(this.generation * tokensPerGeneration + 1, body === undefined ? 0 : readTokens(body))
  }

  async close(): Promise<void> {
    await this.#reader.idle()
    this.#opened.mark.close()
    await this.#opened.disk.close()
  }
}

/** The disk without the means to write. Only a store that is new, or of an older version, is written when it is opened. */
function unchanged(disk: Disk, dataDir: string): Disk {
  return {
    batch: () =>
      Promise.reject(
        new NitkaError(
          'unavailable',
          `${dataDir} is new, or of an older version: start this version's server on it once`,
        ),
      ),
    getMany: (keys, view) => disk.getMany(keys, view),
    scan: (scan) => disk.scan(scan),
    view: () => disk.view(),
    close: () => disk.close(),
  }
}
