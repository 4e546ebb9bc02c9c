// The server under test: the real composition root on a simulated clock, network and disk. It may be killed at any moment and
// started again on what the disk kept.

import type { Wishes } from '../../src/config.ts'
import { type EmbeddedEngine, openEmbedded } from '../../src/engines/embedded/engine.ts'
import { createServer, type Server } from '../../src/server.ts'
import type { SimulatedClock } from '../clock.ts'
import type { Chance } from './chance.ts'
import type { Network } from './network.ts'
import { ProcessClock } from './process-clock.ts'
import { type DiskRules, KeptStore, openKept, SimulatedDisk } from './store.ts'

export const ports = { http: 8_080, tcp: 41_969 } as const

export interface LifeParts {
  readonly clock: SimulatedClock
  readonly chance: Chance
  readonly network: Network
  readonly disk: DiskRules
  readonly wishes: Wishes
  /** The server is up: executors are to be registered. */
  readonly onStarted: (server: Server) => void
  /** The store failed: the process has to end. */
  readonly onFatal: () => void
}

export class ServerLife {
  /** How many lives it has had. */
  lives = 0
  server: Server | undefined
  engine: EmbeddedEngine | undefined
  disk: SimulatedDisk | undefined
  clock: ProcessClock | undefined
  readonly #parts: LifeParts
  readonly #kept = new KeptStore()

  constructor(parts: LifeParts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    const life = ++this.lives
    const { clock: world, wishes, disk: rules, onStarted, onFatal } = this.#parts
    const chance = this.#parts.chance.fork(`life ${life}`)
    const clock = new ProcessClock(world)
    const disk = new SimulatedDisk(this.#kept, chance.fork('disk'), rules)
    this.clock = clock
    this.disk = disk
    const defaults: Wishes = { host: '127.0.0.1', port: ports.http, socketPort: ports.tcp, logLevel: 'silent' }
    this.server = await createServer(
      { ...defaults, reserveBytes: 0, ...wishes },
      {
        world: { clock, random: chance },
        onFatal,
        openEngine: async ({ dedupeMs, queueTasks, doneMs }, given) => {
          this.engine = await openEmbedded({
            ...{ dataDir: 'simulated', world: given, reserveBytes: 0, queueTasks, doneMs },
            dedupeWindowMs: dedupeMs,
            open: (options) => openKept(this.#kept, disk, options),
          })
          return this.engine
        },
      },
    )
    disk.clock = clock
    onStarted(this.server)
  }

  /** `kill -9`. */
  kill(): void {
    const { server, disk, clock } = this
    this.server = undefined
    this.engine = undefined
    disk?.kill()
    clock?.kill()
    this.#parts.network.kill()
    // Its timer, which is Node's own, would keep all of it in memory.
    server?.http.server.close()
  }
}
