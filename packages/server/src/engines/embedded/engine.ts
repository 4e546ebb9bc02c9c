// The embedded engine: the whole record in one folder of this machine. Puts the parts together and closes them in order.

import { NitkaError } from '@nitka/protocol'
import type { Bus } from '../../bus.ts'
import type { Append, LogName } from '../../log/log-store.ts'
import type { NewTask } from '../../tasks/task-store.ts'
import type { World } from '../../world.ts'
import { Backlog } from '../backlog.ts'
import type { Durability, Engine, EngineCounters, Together } from '../engine.ts'
import { Archive } from './archive.ts'
import { InProcessHub } from './bus.ts'
import { Committer } from './committer.ts'
import type { Disk } from './disk.ts'
import { Draft } from './draft.ts'
import { Health } from './health.ts'
import { LogHeads } from './log-heads.ts'
import { EmbeddedLogStore } from './log-store.ts'
import { type Opened, type OpeningOptions, openStore } from './opening.ts'
import { EmbeddedPoolStore } from './pool-store.ts'
import { Reader } from './reader.ts'
import { EmbeddedRoomDirectory } from './room-directory.ts'
import { Scrub } from './scrub.ts'
import { type FreeSpace, realFreeSpace, Space } from './space.ts'
import { Sweep } from './sweep.ts'
import { TaskBook } from './task-book.ts'
import { loadTasks, type ResumeOperation } from './task-opening.ts'
import { EmbeddedTaskStore } from './task-store.ts'
import { TogetherOperation } from './together.ts'

export interface EmbeddedOptions {
  /** Where the store lives. Made when it is not there; one process at a time. */
  readonly dataDir: string
  readonly world: World
  /** Default `disk`. `relaxed` does not wait for the disk; a folder stays what it was made as. */
  readonly durability?: Exclude<Durability, 'replicated'>
  /** Writing stops below so much free disk. 0: never. Default: 256 MiB, or 2 % of the disk when that is more. */
  readonly reserveBytes?: number
  /** How long a client id makes a repeat harmless. Default 24 h. */
  readonly dedupeWindowMs?: number
  /** Tasks of a queue that may wait, 0: no limit. Default 10,000,000. */
  readonly queueTasks?: number
  /** How long a done task is kept, so that a late report hears that it was done. Default 1 h. */
  readonly doneMs?: number
  /** LevelDB's block cache. Default 64 MiB. */
  readonly cacheBytes?: number
  /** What LevelDB keeps in memory before it writes a table. Default 4 MiB; more outgrows the ring of the commit chain. */
  readonly writeBufferBytes?: number
  /** So many bytes of tables are verified before the store opens, the rest soon after. Default 256 MiB, about 0.3 s. */
  readonly verifyBytes?: number
  /** How many logs are kept in memory. Default 100,000. */
  readonly logsMax?: number
  /** Goes on although acknowledged writes are missing: every log gets a new epoch. Nothing lost: no effect. */
  readonly acceptLoss?: boolean
  /** Of a store that is made now, from what another one held: which time this is that its past begins. Default 1. */
  readonly generation?: number
  /** Opens what `dataDir` names. Default: a folder. For tests that keep the store elsewhere. */
  readonly open?: (options: OpeningOptions) => Promise<Opened>
  /** Wraps the disk: for tests. */
  readonly disk?: (disk: Disk) => Disk
  /** For tests. */
  readonly freeSpace?: FreeSpace
  /** The hub of a test with several nodes. Default: one of its own. */
  readonly hub?: InProcessHub
}

/**
 * Opens the store, or makes it. Resolves when it has been checked and takes reads and writes.
 * @throws NitkaError one line for a person: what is wrong with the folder and what to do
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedEngine> {
  const { writeBufferBytes = 4 * 1024 * 1024 } = options
  if (writeBufferBytes > 4 * 1024 * 1024) {
    throw new NitkaError('invalid', 'writeBufferBytes is at most 4 MiB', { field: 'writeBufferBytes' })
  }
  const { open = openStore } = options
  const opened = await open({
    dataDir: options.dataDir,
    durability: options.durability ?? 'disk',
    random: options.world.random,
    cacheBytes: options.cacheBytes ?? 64 * 1024 * 1024,
    writeBufferBytes,
    verifyBytes: options.verifyBytes ?? 256 * 1024 * 1024,
    acceptLoss: options.acceptLoss ?? false,
    generation: options.generation ?? 1,
    wrap: options.disk ?? ((disk) => disk),
  })
  const { clock, random } = options.world
  const book = new TaskBook({
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    fraction: () => random.fraction(),
    queueTasksMax: options.queueTasks ?? 10_000_000,
  })
  try {
    return new EmbeddedEngine(options, opened, { book, resume: await loadTasks(opened.disk, book) })
  } catch (thrown) {
    opened.mark.close()
    await opened.disk.close()
    throw thrown
  }
}

export class EmbeddedEngine implements Engine {
  readonly logs: EmbeddedLogStore
  readonly rooms: EmbeddedRoomDirectory
  readonly tasks: EmbeddedTaskStore
  readonly pools: EmbeddedPoolStore
  readonly archive: Archive
  readonly bus: Bus
  /** No other node has its store. */
  readonly presence = undefined
  readonly ownership = undefined
  /** Never told, neither: nothing is published that could be missed, and nobody else stores. */
  onGap: (() => void) | undefined
  onStored: ((log: LogName, head: number) => void) | undefined
  readonly durability: Durability
  readonly counters: EngineCounters
  readonly #opened: Opened
  readonly #health = new Health()
  readonly #backlog = new Backlog()
  readonly #space: Space
  readonly #committer: Committer
  readonly #reader: Reader
  readonly #sweep: Sweep
  readonly #scrub: Scrub
  #closing: Promise<void> | undefined

  constructor(options: EmbeddedOptions, opened: Opened, tasks: { book: TaskBook; resume: ResumeOperation }) {
    const { dataDir, world, dedupeWindowMs = 24 * 60 * 60 * 1_000 } = options
    const { clock } = world
    const { disk, epoch } = opened
    const health = this.#health
    const counters = { commits: 0, appends: 0, repeats: 0, failures: 0, damaged: opened.dropped, queuedBytes: 0 }
    const heads = new LogHeads(options.logsMax ?? 100_000)
    const sync = options.durability !== 'relaxed'
    this.#opened = opened
    this.durability = options.durability ?? 'disk'
    this.counters = counters
    this.bus = (options.hub ?? new InProcessHub()).node()
    this.#space = new Space(dataDir, options.reserveBytes, clock, options.freeSpace ?? realFreeSpace)
    this.#reader = new Reader(disk, health, counters)
    this.#committer = new Committer({
      disk,
      draft: new Draft(heads, epoch),
      health,
      space: this.#space,
      clock,
      counters,
      backlog: this.#backlog,
      sync,
      last: opened.last,
      mark: (batch) => opened.mark.write(batch),
    })
    this.#sweep = new Sweep(this.#committer, this.#reader, clock, dedupeWindowMs)
    this.logs = new EmbeddedLogStore({
      committer: this.#committer,
      reader: this.#reader,
      heads,
      epoch,
      rules: {
        now: () => clock.now(),
        dedupeWindowMs,
        count: (entries, repeats) => {
          counters.appends += entries
          counters.repeats += repeats
        },
      },
      onTrimmed: () => this.#sweep.start(),
    })
    this.rooms = new EmbeddedRoomDirectory(this.#committer, this.#reader)
    this.tasks = new EmbeddedTaskStore({
      ...{ ...tasks, clock, counters, dedupeWindowMs },
      committer: this.#committer,
      reader: this.#reader,
      doneMs: options.doneMs ?? 60 * 60 * 1_000,
    })
    this.pools = new EmbeddedPoolStore(this.#committer, this.#reader, opened.generation)
    this.archive = new Archive({
      committer: this.#committer,
      reader: this.#reader,
      rooms: this.rooms,
      pools: this.pools,
      book: tasks.book,
      now: () => clock.now(),
      generation: opened.generation,
    })
    this.#scrub = new Scrub(opened.unverified, health, counters, clock)
    this.#sweep.start()
  }

  get onCommit(): ((ms: number) => void) | undefined {
    return this.#committer.onCommit
  }

  set onCommit(told: ((ms: number) => void) | undefined) {
    this.#committer.onCommit = told
  }

  get onCrowded(): ((crowded: boolean) => void) | undefined {
    return this.#backlog.onCrowded
  }

  set onCrowded(told: ((crowded: boolean) => void) | undefined) {
    this.#backlog.onCrowded = told
  }

  get onFailed(): ((cause: Error) => void) | undefined {
    return this.#health.onFailed
  }

  set onFailed(told: ((cause: Error) => void) | undefined) {
    this.#health.onFailed = told
  }

  async storeTogether(appends: readonly Append[], tasks: readonly NewTask[]): Promise<Together> {
    return this.#committer.submit(new TogetherOperation(this.logs.appending(appends), this.tasks.adding(tasks)))
  }

  unhealthy(): string | undefined {
    return this.#health.reason ?? this.#committer.trouble ?? this.#space.low
  }

  /** Resolves when the background work of now is done: for tests. */
  swept(): Promise<void> {
    this.#sweep.start()
    return Promise.all([this.#sweep.idle(), this.tasks.swept()]).then(() => undefined)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    this.#health.close()
    this.#scrub.close()
    await this.#sweep.close()
    await this.tasks.close()
    await this.#committer.idle()
    await this.#reader.idle()
    await this.bus.close()
    this.#opened.mark.close()
    await this.#opened.disk.close()
  }
}
