// Who is in rooms on other nodes. Each node alone says who is there of its own users, with a version that grows; of two
// statements the larger version is true, however they come: over the bus at once, or from the store, which is asked every
// sweep and has the whole. A node that is gone takes its users along.

import { subjectToken } from '../bus.ts'
import { type Exchange, jsonPart, readJsonPart } from '../fanout/exchange.ts'
import type { Ownership } from '../nodes/ownership.ts'
import type { Clock } from '../world.ts'
import type { PresenceRow, PresenceStore } from './presence-store.ts'
import { PresenceWriter } from './presence-writer.ts'
import { WatchedRoom } from './watched-room.ts'

/** How far back changes are read again: what was under way at the last sweep. By the store's clock. */
const overlapMs = 5_000

/** After so long everything is read, not only what changed: also what a lost database forgot to say. */
const wholeMs = 60_000

/** Without the store for so long, changes may be forgotten there that were not read. */
const blindMs = 30_000

/** Rooms in one question. */
const roomsMax = 5_000

/** Nodes remembered as gone. */
const goneMax = 1_000

interface Teller {
  /** This node's users, by room. */
  present(): Iterable<{ readonly room: string; readonly user: string }>
  /** A user is now, or no more, in a watched room on another node than this. */
  told(room: string, user: string, online: boolean): void
}

interface Parts {
  readonly store: PresenceStore
  readonly ownership: Ownership
  readonly exchange: Exchange
  readonly clock: Clock
}

export class OtherPresence {
  readonly #parts: Parts
  readonly #writer: PresenceWriter
  readonly #rooms = new Map<string, WatchedRoom>()
  readonly #gone = new Set<string>()
  /** Nodes of which the store has everything, as of the last sweep. */
  #complete: ReadonlySet<string> = new Set()
  /** Nodes of the store that seemed dead at the last sweep. */
  #doubted: ReadonlySet<string> = new Set()
  readonly #deaf: () => void
  #toLoad = new Set<WatchedRoom>()
  #loading: Promise<void> | undefined
  #sweeping: Promise<void> | undefined
  /** The store's time of the last sweep. */
  #since = 0
  #sweptAt = Number.NEGATIVE_INFINITY
  #wholeAt: number
  #teller: Teller = { present: () => [], told: () => undefined }

  constructor(parts: Parts) {
    this.#parts = parts
    this.#wholeAt = parts.clock.monotonic()
    this.#writer = new PresenceWriter(parts.store, parts.ownership.node)
    this.#deaf = parts.ownership.onGone((node) => this.#left(node))
  }

  /** Sets who is told, and who is here. */
  begin(teller: Teller): void {
    this.#teller = teller
  }

  /** A user of this node came, or went. */
  announce(room: string, user: string, online: boolean): void {
    const { exchange, ownership } = this.#parts
    const { version } = this.#writer.write(room, user, online)
    if (!exchange.alone) exchange.tell(subjectOf(room), jsonPart([user, ownership.node, version, online]))
  }

  /** Whether the user is in the room on another node, as far as is known here. */
  has(room: string, user: string): boolean {
    return this.#rooms.get(room)?.has(user) === true
  }

  /** Who is in the room on other nodes: complete for a watched room. */
  users(room: string): Iterable<string> {
    return this.#rooms.get(room)?.users() ?? []
  }

  /** Who is in any room on other nodes. @throws NitkaError `unavailable` */
  async find(room: string): Promise<readonly string[]> {
    const watched = this.#rooms.get(room)
    if (watched?.loaded === true) return [...watched.users()]
    const rows = await this.#parts.store.list([room])
    return rows.filter(({ node }) => this.#isOther(node)).map(({ user }) => user)
  }

  /** Keeps up with a room. `ready` resolves when the store has answered once, or did not; it never rejects. */
  watch(room: string): { readonly ready: Promise<void>; readonly unwatch: () => void } {
    let watched = this.#rooms.get(room)
    if (watched === undefined) {
      const opened = new WatchedRoom(room, this.#parts.clock, (user, online) => this.#teller.told(room, user, online))
      opened.remote = this.#parts.exchange.listen(subjectOf(room), (data) => this.#hear(opened, data))
      this.#rooms.set(room, opened)
      opened.ready = this.#load([opened])
      watched = opened
    }
    const mine = watched
    mine.watchers++
    let watching = true
    const unwatch = (): void => {
      if (!watching) return
      watching = false
      if (--mine.watchers > 0) return
      mine.remote?.cancel()
      this.#rooms.delete(room)
      this.#toLoad.delete(mine)
    }
    return { ready: mine.ready, unwatch }
  }

  /** Compares with the store. One at a time; never rejects: what fails is done by the next one. */
  sweep(): Promise<void> {
    this.#sweeping ??= this.#compare()
      .catch(() => undefined)
      .finally(() => {
        this.#sweeping = undefined
      })
    return this.#sweeping
  }

  /** This node's users leave. Resolves when the store knows, or does not answer. */
  async close(): Promise<void> {
    this.#deaf()
    for (const { remote } of this.#rooms.values()) remote?.cancel()
    await this.#writer.close()
  }

  async #compare(): Promise<void> {
    const { store, ownership, clock } = this.#parts
    const now = clock.monotonic()
    const { time, nodes } = await store.look()
    this.#complete = new Set(nodes)
    if (!nodes.includes(ownership.node)) await this.#writer.renew(this.#teller.present())
    else await this.#writer.flush()
    const returned = [...this.#gone].filter((node) => ownership.nodes.has(node))
    for (const node of returned) this.#gone.delete(node)
    const whole = returned.length > 0 || now - this.#wholeAt >= wholeMs || now - this.#sweptAt >= blindMs
    const rooms = [...this.#rooms.values()]
    for (const room of rooms) if (whole || room.stale) this.#toLoad.add(room)
    if (!whole) await this.#readChanges(rooms)
    await this.#load([])
    if (rooms.every(({ stale }) => !stale)) {
      this.#since = time
      this.#sweptAt = now
      if (whole) this.#wholeAt = now
    }
    await this.#doubt(nodes)
  }

  async #readChanges(rooms: readonly WatchedRoom[]): Promise<void> {
    for (let i = 0; i < rooms.length; i += roomsMax) {
      const names = rooms.slice(i, i + roomsMax).map(({ name }) => name)
      const rows = await this.#parts.store.changes(names, this.#since - overlapMs)
      for (const row of rows) this.#apply(row)
    }
  }

  /** Loads these, and what waits to be. Those that the store did not answer for stay stale. */
  #load(rooms: readonly WatchedRoom[]): Promise<void> {
    for (const room of rooms) this.#toLoad.add(room)
    if (this.#toLoad.size === 0) return this.#loading ?? Promise.resolve()
    // What is asked while a question is under way goes together into the next one.
    const mine = (this.#loading ?? Promise.resolve()).then(() => this.#loadNow())
    this.#loading = mine
    return mine
  }

  async #loadNow(): Promise<void> {
    while (this.#toLoad.size > 0) {
      const some = [...this.#toLoad].slice(0, roomsMax)
      for (const room of some) {
        this.#toLoad.delete(room)
        room.stale = true
      }
      try {
        const rows = await this.#parts.store.list(some.map(({ name }) => name))
        const byRoom = Map.groupBy(rows, ({ room }) => room)
        for (const room of some) {
          const others = (byRoom.get(room.name) ?? []).filter(({ node }) => this.#isOther(node))
          room.load(others, this.#complete)
        }
      } catch {
        // The next sweep asks again; until then the bus alone tells.
        return
      }
    }
  }

  #hear(room: WatchedRoom, data: Uint8Array): void {
    const told = readJsonPart(data)
    const [user, node, version, online] = Array.isArray(told) ? (told as unknown[]) : []
    const whole = typeof user === 'string' && typeof node === 'string' && typeof version === 'number'
    if (!whole || typeof online !== 'boolean') this.#parts.exchange.counts.damaged++
    else if (this.#isOther(node)) room.apply({ user, node, version, online })
  }

  #apply(row: PresenceRow): void {
    if (this.#isOther(row.node)) this.#rooms.get(row.room)?.apply(row)
  }

  #isOther(node: string): boolean {
    return node !== this.#parts.ownership.node && !this.#gone.has(node)
  }

  /** A node that was not alive at two sweeps died unseen: all were down, say. */
  async #doubt(nodes: readonly string[]): Promise<void> {
    const { ownership } = this.#parts
    const absent = nodes.filter((node) => node !== ownership.node && !ownership.nodes.has(node))
    for (const node of absent) if (this.#doubted.has(node)) this.#left(node)
    this.#doubted = new Set(absent)
  }

  #left(node: string): void {
    if (node === this.#parts.ownership.node) return
    this.#gone.add(node)
    const [oldest] = this.#gone
    if (this.#gone.size > goneMax && oldest !== undefined) this.#gone.delete(oldest)
    for (const room of this.#rooms.values()) room.drop(node)
    // Whoever fails leaves it to the others, or to the next sweep, which doubts it again.
    this.#parts.store.forget(node).catch(() => undefined)
  }
}

function subjectOf(room: string): string {
  return `presence.${subjectToken(room)}`
}
