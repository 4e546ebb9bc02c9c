// Ownership by leases in Postgres. A node beats: one statement renews its lease, gives up and takes units, and tells what
// changed. Times that decide are the database's; a node that was not answered counts from before it asked, and so stops
// before another may begin. bench: one statement a node every 1.5 s, however many units there are.

import { NitkaError } from '@nitka/protocol'
import type { Bus, BusSubscription } from '../../bus.ts'
import type { Claim, ClaimEvents, Owner, Ownership } from '../../nodes/ownership.ts'
import type { Clock, Timer } from '../../world.ts'
import type { Database } from './database.ts'

export interface OwnershipParts {
  /** Of its own, so that no other statement makes a beat late. */
  readonly database: Pick<Database, 'run'>
  readonly bus: Bus
  readonly clock: Clock
  /** This start's name: `[a-z0-9]{20}`. */
  readonly node: string
  /** Of the program, for people. */
  readonly version: string
  readonly leaseMs?: number
  readonly beatMs?: number
}

interface BeatRow {
  /** Others are of a newer schema. */
  readonly what: 'past' | 'node' | 'unit'
  readonly name: string
  /** Of a unit: who has it, or null. */
  readonly node: string | null
  /** Of the past: 1 when all units that have an owner are told. */
  readonly fence: number | null
}

interface Wish {
  readonly unit: string
  readonly events: ClaimEvents
  /** Of the last time that it was this node's. */
  fence: number
  held: boolean
}

const marginMs = 500
const retryMs = 300
const subject = 'owners'

export class ClusterOwnership implements Ownership {
  readonly node: string
  /** Units that were lost without being given up. */
  lost = 0
  readonly #parts: OwnershipParts
  readonly #leaseMs: number
  readonly #beatMs: number
  readonly #wishes = new Map<string, Wish>()
  readonly #owners = new Map<string, Owner>()
  readonly #onOwner = new Set<(unit: string) => void>()
  readonly #onGone = new Set<(node: string) => void>()
  readonly #hints: BusSubscription
  #nodes: ReadonlySet<string>
  /** Units to be given up, with whoever waits for it. */
  #done = new Map<string, (() => void)[]>()
  #heard = 0
  /** The past that this is of: after a failover of the database it may be another one. */
  #past = ''
  /** Until then what is held is this node's, by its own monotonic clock. */
  #validUntil = Number.NEGATIVE_INFINITY
  #beating: Promise<void> | undefined
  #again = false
  #closed = false
  #next: Timer | undefined
  #end: Timer | undefined

  private constructor(parts: OwnershipParts) {
    this.#parts = parts
    this.#leaseMs = parts.leaseMs ?? 6_000
    this.#beatMs = parts.beatMs ?? 1_500
    this.node = parts.node
    this.#nodes = new Set([parts.node])
    this.#hints = parts.bus.subscribe(subject, () => this.#beatSoon())
  }

  /** Resolves when the others can know of this node. Errors as of the database. */
  static async open(parts: OwnershipParts): Promise<ClusterOwnership> {
    const ownership = new ClusterOwnership(parts)
    try {
      await ownership.#beat()
    } catch (error) {
      ownership.#hints.cancel()
      throw error
    }
    ownership.#schedule(ownership.#beatMs)
    // The others beat, and so hear of this node at once.
    parts.bus.publish(subject, new Uint8Array())
    return ownership
  }

  get nodes(): ReadonlySet<string> {
    return this.#nodes
  }

  /** Units that are this node's. */
  get held(): number {
    let count = 0
    for (const { held } of this.#wishes.values()) if (held) count++
    return count
  }

  /** Whether the record has renewed this node's lease in time. */
  get sure(): boolean {
    return this.#parts.clock.monotonic() < this.#validUntil
  }

  claim(unit: string, events: ClaimEvents): Claim {
    if (this.#wishes.has(unit)) throw new NitkaError('conflict', `${unit} is claimed already`)
    const wish: Wish = { unit, events, fence: 0, held: false }
    this.#wishes.set(unit, wish)
    this.#beatSoon()
    const node = this
    let released: Promise<void> | undefined
    return {
      get fence() {
        return wish.held && node.sure ? wish.fence : undefined
      },
      release() {
        released ??= node.#release(wish)
        return released
      },
    }
  }

  owner(unit: string): Owner | undefined {
    return this.#owners.get(unit)
  }

  onOwner(told: (unit: string) => void): () => void {
    this.#onOwner.add(told)
    return () => this.#onOwner.delete(told)
  }

  onGone(told: (node: string) => void): () => void {
    this.#onGone.add(told)
    return () => this.#onGone.delete(told)
  }

  /** Leaves: what this node has, others may have at once. Never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#next?.cancel()
    this.#hints.cancel()
    await this.#beating?.catch(() => undefined)
    this.#end?.cancel()
    for (const wish of this.#wishes.values()) wish.held = false
    // Unheard, its lease ends by itself.
    await this.#parts.database.run('select nitka.leave($1)', [this.node]).catch(() => undefined)
    this.#parts.bus.publish(subject, new Uint8Array())
    this.#given()
  }

  async #release(wish: Wish): Promise<void> {
    wish.held = false
    if (this.#wishes.get(wish.unit) === wish) this.#wishes.delete(wish.unit)
    if (this.#closed) return
    await new Promise<void>((resolve) => {
      const waiting = this.#done.get(wish.unit) ?? []
      waiting.push(resolve)
      this.#done.set(wish.unit, waiting)
      this.#beatSoon()
    })
  }

  /** Beats now, or once more when the beat under way is over: what is asked meanwhile is in that one. */
  #beatSoon(): void {
    if (this.#closed) return
    if (this.#beating === undefined) this.#schedule(0)
    else this.#again = true
  }

  #schedule(ms: number): void {
    this.#next?.cancel()
    if (this.#closed) return
    this.#next = this.#parts.clock.after(ms, () => void this.#turn())
  }

  async #turn(): Promise<void> {
    if (this.#beating !== undefined) return
    this.#again = false
    let ms = this.#beatMs
    try {
      this.#beating = this.#beat()
      await this.#beating
    } catch {
      // Counted by the database, which also says that it is not healthy.
      ms = retryMs
    } finally {
      this.#beating = undefined
    }
    this.#schedule(this.#again ? Math.min(ms, ms === retryMs ? retryMs : 0) : ms)
  }

  async #beat(): Promise<void> {
    const { database, clock, node, version } = this.#parts
    const sentAt = clock.monotonic()
    const wishes = [...this.#wishes.values()].filter(({ held }) => !held).map(({ unit }) => unit)
    const done = this.#done
    this.#done = new Map()
    let rows: readonly BeatRow[]
    try {
      rows = await database.run<BeatRow>(
        'select what, name, node, fence from nitka.beat($1, $2, $3, $4::text[], $5::text[], $6, $7)',
        [node, version, this.#leaseMs, wishes, [...done.keys()], this.#heard, this.#past],
      )
    } catch (error) {
      // Whether it was done is unknown; it is asked again, which is harmless.
      for (const [unit, waiting] of done) this.#done.set(unit, [...waiting, ...(this.#done.get(unit) ?? [])])
      throw error
    }
    this.#validUntil = sentAt + this.#leaseMs - marginMs
    this.#watchEnd()
    const mine = this.#take(rows)
    for (const waiting of done.values()) for (const resolve of waiting) resolve()
    if (mine || done.size > 0) this.#parts.bus.publish(subject, new Uint8Array())
  }

  /** Hears what the record says. True: what is this node's has changed. */
  #take(rows: readonly BeatRow[]): boolean {
    const alive = new Set([this.node])
    let mine = false
    const changed = this.#begin(rows)
    for (const { what, name, node, fence } of rows) {
      if (what === 'node') alive.add(name)
      else if (what === 'unit') {
        this.#heard = Math.max(this.#heard, fence ?? 0)
        if (node === null) this.#owners.delete(name)
        else this.#owners.set(name, { node, fence: fence ?? 0 })
        changed.add(name)
      }
    }
    for (const wish of this.#wishes.values()) {
      const owner = this.#owners.get(wish.unit)
      // What is being given up is not had again by an answer from before: only under the fence that it gets after.
      if (this.#done.has(wish.unit)) continue
      if (owner?.node === this.node) mine = this.#gain(wish, owner.fence) || mine
      else this.#lose(wish)
    }
    this.#giveBack(changed)
    const gone = [...this.#nodes].filter((node) => !alive.has(node))
    this.#nodes = alive
    for (const node of gone) for (const told of this.#onGone) told(node)
    for (const unit of changed) for (const told of this.#onOwner) told(unit)
    return mine
  }

  /** What was heard before counts no more when everything is told. Gives the units of that. */
  #begin(rows: readonly BeatRow[]): Set<string> {
    const past = rows.find(({ what }) => what === 'past')
    if (past?.fence !== 1) return new Set()
    const before = new Set(this.#owners.keys())
    this.#owners.clear()
    this.#past = past.name
    this.#heard = 0
    return before
  }

  /** A record that lost its end says again that this node has what it has given up since: nobody else would get it. */
  #giveBack(changed: ReadonlySet<string>): void {
    for (const unit of changed) {
      if (this.#owners.get(unit)?.node !== this.node || this.#wishes.has(unit) || this.#done.has(unit)) continue
      this.#done.set(unit, [])
      this.#beatSoon()
    }
  }

  #gain(wish: Wish, fence: number): boolean {
    if (!this.sure || (wish.held && wish.fence === fence)) return false
    // Another fence: it was lost and came back before this node heard of it.
    this.#lose(wish)
    wish.fence = fence
    wish.held = true
    wish.events.gained(fence)
    return true
  }

  #lose(wish: Wish): void {
    if (!wish.held) return
    wish.held = false
    this.lost++
    wish.events.lost()
  }

  #watchEnd(): void {
    this.#end?.cancel()
    const { clock } = this.#parts
    this.#end = clock.after(Math.max(1, Math.ceil(this.#validUntil - clock.monotonic())), () => this.#loseAll())
  }

  #loseAll(): void {
    // Timers may run a little early.
    if (this.sure) return this.#watchEnd()
    for (const wish of this.#wishes.values()) this.#lose(wish)
  }

  /** Nobody waits any longer for what a closed node gives up. */
  #given(): void {
    for (const waiting of this.#done.values()) for (const resolve of waiting) resolve()
    this.#done.clear()
  }
}
