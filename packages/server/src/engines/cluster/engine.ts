// The cluster engine: the record in Postgres, the wire over NATS. Puts the parts together and closes them in order. Any
// number of nodes have one each on the same database.

import type { Bus } from '../../bus.ts'
import type { Append, LogName } from '../../log/log-store.ts'
import type { NewTask } from '../../tasks/task-store.ts'
import type { World } from '../../world.ts'
import { Backlog } from '../backlog.ts'
import type { Durability, Engine, EngineCounters, Together } from '../engine.ts'
import { type NatsFiles, postgresAccess } from './access.ts'
import { answering, checkUrl, natsUrls } from './addresses.ts'
import { Announcements } from './announcements.ts'
import { Database } from './database.ts'
import { findDurability } from './durability.ts'
import { Housekeeping } from './housekeeping.ts'
import { ClusterLogStore } from './log-store.ts'
import { migrate } from './migrate.ts'
import { demandMoved } from './move.ts'
import { NatsBus } from './nats-bus.ts'
import { ClusterOwnership } from './ownership.ts'
import { ClusterPoolStore } from './pool-store.ts'
import { ClusterPresenceStore } from './presence-store.ts'
import { ClusterRoomDirectory } from './room-directory.ts'
import { ClusterTaskStore } from './task-store.ts'
import { storeTogether } from './together.ts'

export interface ClusterOptions {
  readonly world: World
  /** `postgres://user:password@host:port/database` */
  readonly postgresUrl: string
  /** `nats://user:password@host:port` or `tls://…`, several separated by commas. */
  readonly natsUrl: string
  readonly natsFiles?: NatsFiles | undefined
  /** Connections to Postgres, besides one for the node's beats. */
  readonly connectionsMax: number
  /** How long a statement may take. */
  readonly statementMs: number
  /** How long a client id makes a repeat harmless. */
  readonly dedupeWindowMs: number
  /** How often what other nodes did is looked up, beside hearing of it over the bus. */
  readonly sweepMs: number
  /** Tasks of a queue that may wait, 0: no limit. */
  readonly queueTasks: number
  /** How long a done task is kept. */
  readonly doneMs: number
  /** A node without a bus says that it is healthy. */
  readonly readyWithoutBus: boolean
  /** Of the program. */
  readonly version: string
  /** Told in one line what an operator should know. */
  readonly onWarning: (text: string) => void
  /** Told what goes wrong in the background. */
  readonly onError: (error: unknown) => void
}

/**
 * Connects, brings the schema to this version, and takes part. Resolves when it takes reads and writes.
 * @throws NitkaError one line for a person: which of the two does not answer, or what is wrong with the schema
 */
export async function openCluster(options: ClusterOptions): Promise<Engine> {
  const { world, postgresUrl, connectionsMax, statementMs } = options
  const { clock } = world
  checkUrl(postgresUrl, 'postgresUrl', ['postgres:', 'postgresql:'])
  postgresAccess(postgresUrl)
  const urls = natsUrls(options.natsUrl)
  const opened: (() => Promise<void>)[] = []
  try {
    const database = new Database({ url: postgresUrl, clock, connectionsMax, statementMs })
    opened.push(() => database.close())
    await answering('Postgres', [postgresUrl], () => migrate(database))
    await demandMoved(database)
    const { durability, weak } = await findDurability(database)
    if (weak !== undefined) options.onWarning(`Postgres: ${weak}`)
    const hooks: Hooks = { gap: undefined, stored: undefined }
    const bus = await answering('NATS', urls, () =>
      NatsBus.open({
        ...{ url: options.natsUrl, files: options.natsFiles ?? {} },
        ...{ onGap: () => hooks.gap?.(), onError: options.onError },
      }),
    )
    opened.push(() => bus.close())
    const beats = new Database({ url: postgresUrl, clock, connectionsMax: 1, statementMs: beatStatementMs })
    opened.push(() => beats.close())
    const node = Buffer.from(world.random.bytes(10)).toString('hex')
    const ownership = await ClusterOwnership.open({ database: beats, bus, clock, node, version: options.version })
    opened.push(() => ownership.close())
    // Again, now that a move that begins would see this node.
    await demandMoved(database)
    const [meta] = await database.run<{ epoch: string }>('select epoch from nitka.meta')
    const { dedupeWindowMs, doneMs, queueTasks: queueTasksMax } = options
    const backlog = new Backlog()
    const tasks = await ClusterTaskStore.open({
      ...{ database, clock, bus, node, dedupeWindowMs, doneMs, queueTasksMax, backlog, lockedMs: statementMs },
    })
    opened.push(() => tasks.close())
    const announcements = await Announcements.open({
      ...{ url: postgresUrl, clock },
      stored: (log, offset) => hooks.stored?.(log, offset),
      added: (queue) => tasks.onReady?.(queue),
      gap: () => hooks.gap?.(),
    })
    const parts = { database, beats, bus, hooks, ownership, tasks, backlog, announcements }
    const found = { ...parts, durability, epoch: meta?.epoch ?? '' }
    return new ClusterEngine(options, found)
  } catch (error) {
    for (const close of opened.reverse()) await close()
    throw error
  }
}

/** A beat must fit several times into a lease. */
const beatStatementMs = 1_500

/** Whom to tell; known only when the engine is open. */
interface Hooks {
  gap: (() => void) | undefined
  stored: ((log: LogName, head: number) => void) | undefined
}

interface Found {
  readonly database: Database
  readonly beats: Database
  readonly bus: NatsBus
  readonly hooks: Hooks
  readonly announcements: Announcements
  readonly ownership: ClusterOwnership
  readonly tasks: ClusterTaskStore
  readonly backlog: Backlog
  readonly durability: Durability
  readonly epoch: string
}

class ClusterEngine implements Engine {
  readonly logs: ClusterLogStore
  readonly rooms: ClusterRoomDirectory
  readonly tasks: ClusterTaskStore
  readonly pools: ClusterPoolStore
  readonly presence: ClusterPresenceStore
  readonly ownership: ClusterOwnership
  readonly bus: Bus
  readonly durability: Durability
  /** Nothing of it is in this process, so nothing here can fail for good. */
  onFailed: ((cause: Error) => void) | undefined
  onCommit: ((ms: number) => void) | undefined
  readonly #found: Found
  readonly #readyWithoutBus: boolean
  readonly #housekeeping: Housekeeping
  readonly #dedupeWindowMs: number
  readonly #counters: EngineCounters
  #closing: Promise<void> | undefined

  constructor(options: ClusterOptions, found: Found) {
    const { database, ownership, bus, epoch, durability, backlog } = found
    const { clock, random } = options.world
    const { dedupeWindowMs } = options
    this.#found = found
    this.#dedupeWindowMs = dedupeWindowMs
    this.#readyWithoutBus = options.readyWithoutBus
    this.#counters = { commits: 0, appends: 0, repeats: 0, failures: 0, damaged: 0, queuedBytes: 0 }
    this.bus = bus
    this.ownership = ownership
    this.tasks = found.tasks
    this.durability = durability
    this.logs = new ClusterLogStore({
      ...{ database, counters: this.#counters, epoch, dedupeWindowMs, backlog },
      committed: (startedAt) => {
        this.#counters.commits++
        this.onCommit?.(clock.monotonic() - startedAt)
      },
      ...{ now: () => clock.monotonic(), clock, lockedMs: options.statementMs },
    })
    this.rooms = new ClusterRoomDirectory(database)
    this.pools = new ClusterPoolStore(database)
    this.presence = new ClusterPresenceStore(database, () => clock.monotonic())
    this.#housekeeping = new Housekeeping({ database, clock, random, dedupeWindowMs })
  }

  get counters(): EngineCounters {
    const counters = this.#counters
    counters.queuedBytes = this.#found.backlog.bytes
    counters.failures = this.#found.database.failures + this.#found.beats.failures
    return counters
  }

  get oldestTransactionMs(): number {
    return this.#housekeeping.oldestTransactionMs
  }

  get onCrowded(): ((crowded: boolean) => void) | undefined {
    return this.#found.backlog.onCrowded
  }

  set onCrowded(told: ((crowded: boolean) => void) | undefined) {
    this.#found.backlog.onCrowded = told
  }

  get onGap(): (() => void) | undefined {
    return this.#found.hooks.gap
  }

  set onGap(told: (() => void) | undefined) {
    this.#found.hooks.gap = told
  }

  get onStored(): ((log: LogName, head: number) => void) | undefined {
    return this.#found.hooks.stored
  }

  set onStored(told: ((log: LogName, head: number) => void) | undefined) {
    this.#found.hooks.stored = told
  }

  async storeTogether(appends: readonly Append[], tasks: readonly NewTask[]): Promise<Together> {
    // Of one kind alone they go together with others' in the next statement.
    if (tasks.length === 0) return { appended: await this.logs.append(appends), added: [] }
    if (appends.length === 0) return { appended: [], added: await this.tasks.add(tasks) }
    const what = { appends, adds: tasks, dedupeWindowMs: this.#dedupeWindowMs }
    return storeTogether(this.#found.database, this.tasks.adds, what)
  }

  unhealthy(): string | undefined {
    const { database, ownership, bus } = this.#found
    if (database.trouble !== undefined) return `the database does not answer: ${database.trouble}`
    if (!ownership.sure) return 'the database has not renewed the lease of this node'
    if (!bus.healthy && !this.#readyWithoutBus) return 'the bus does not answer; what other nodes store comes late'
    return undefined
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    const { database, beats, bus, ownership, announcements } = this.#found
    await announcements.close()
    await this.#housekeeping.close()
    await this.tasks.close()
    await Promise.all([this.logs.idle(), this.pools.idle(), this.tasks.idle()])
    await ownership.close()
    await bus.close()
    await Promise.all([database.close(), beats.close()])
  }
}
