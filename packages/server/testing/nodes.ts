// Several servers on one store, in one process, with a bus between them that obeys the test.

import type { TestContext } from 'node:test'
import { InProcessHub } from '../src/engines/embedded/bus.ts'
import { openEmbedded } from '../src/engines/embedded/engine.ts'
import type { Engine } from '../src/engines/engine.ts'
import type { Membered, RoomDirectory } from '../src/rooms/room-directory.ts'
import { realWorld } from '../src/world.ts'
import { replacing } from './late.ts'
import { MemoryPresenceStore, NodeLife } from './node-life.ts'
import { type Started, start, temporaryFolder } from './server.ts'
import { type UnrulyBus, unrulyBus } from './unruly-bus.ts'

export interface Node extends Started {
  readonly bus: UnrulyBus
  /** Asks the store for what the bus lost, as it does every 2 s. */
  sweep(): Promise<void>
}

export interface Cluster {
  readonly one: Node
  readonly two: Node
  readonly life: NodeLife
  readonly presence: MemoryPresenceStore
}

export async function twoServers(t: TestContext): Promise<Cluster> {
  const world = realWorld()
  const engine = await openEmbedded({ dataDir: await temporaryFolder(t), world, reserveBytes: 0 })
  const hub = new InProcessHub()
  const life = new NodeLife()
  const presence = new MemoryPresenceStore(world.clock)
  const rooms = tellingRemovals(engine.rooms)
  const open = async (name: string): Promise<Node> => {
    const bus = unrulyBus(hub)
    const own = { bus, rooms, presence, ownership: life.ownership(name), close: async () => undefined }
    const node: Engine = replacing<Engine>(engine, own)
    const started = await start(t, { presenceGraceMs: 0 }, { openEngine: async () => node })
    return { ...started, bus, sweep: async () => void (await started.server.rooms.sweep()) }
  }
  const cluster = { one: await open('one'), two: await open('two'), life, presence }
  t.after(() => engine.close())
  return cluster
}

/** A directory that remembers who was removed, as a database that other nodes write to does. */
function tellingRemovals(rooms: RoomDirectory): RoomDirectory {
  const removed: Membered[] = []
  return replacing(rooms, {
    async remove(room, user) {
      const was = await rooms.remove(room, user)
      if (was) removed.push({ room, user })
      return was
    },
    async removals() {
      const still = await Promise.all(removed.map(async ({ room, user }) => !(await rooms.isMember(room, user))))
      return removed.filter((_, i) => still[i])
    },
  })
}
