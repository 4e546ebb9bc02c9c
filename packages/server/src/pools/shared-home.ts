// Pools among several nodes: one of them has all pools and bookings, the others ask it. Every node wishes to have them; the
// one that gains them reads the store, and what was asked of the one before is asked again.

import { NitkaError } from '@nitka/protocol'
import type { Call } from '../nodes/asked-of.ts'
import type { Claim } from '../nodes/ownership.ts'
import { type Connection, OwnConnections } from './connections.ts'
import { Grouped } from './grouped.ts'
import { Moved } from './guarded-store.ts'
import { type OperationName, operations, type Result, type Wish } from './operations.ts'
import { missingName, Period, type PeriodParts, poolsUnit } from './period.ts'
import { type PoolAsk, PoolCall } from './pool-call.ts'
import type { HomeOptions, PoolCounts, PoolHome } from './pool-home.ts'
import { type Holder, newId } from './terms.ts'
import { Turn } from './turn.ts'

export type SharedParts = Omit<PeriodParts, 'own' | 'connections'>

const runName = 'pools.run'

/** The pools find their next node in that time; a call waits no longer for it. */
const takeOverMs = 15_000
/** After a node has said that the pools are not its, it is not asked again for so long. */
const againMs = 250
/** After a failed write or read, before this node wishes to have the pools again. */
const retryMs = 1_000
/** Calls that this node may have under way. */
const callsMax = 100_000

type Answered = { readonly moved: true } | { readonly value: unknown }
const moved: Answered = { moved: true }

const noCounts = { acquired: 0, released: 0, expired: 0, unserved: 0, booked: 0 }

export class SharedHome implements PoolHome {
  readonly #parts: PeriodParts
  readonly #options: HomeOptions
  readonly #own = new OwnConnections()
  readonly #turn: Turn
  readonly #deaf: readonly (() => void)[]
  /** Calls by connection, those for resources alone. */
  readonly #acquiring = new Grouped<object, PoolCall>()
  #calls = 0
  #forwarded = 0
  #claim: Claim | undefined
  /** Names the period that is being opened, or open. */
  #opening: object | undefined
  #period: Period | undefined
  /** Of periods that are over. */
  #before = noCounts
  #stopped = false
  #closed = false

  constructor(parts: SharedParts, options: HomeOptions) {
    const { ownership, peers, clock } = parts
    this.#parts = { ...parts, own: this.#own }
    this.#options = options
    this.#turn = new Turn(clock)
    peers.serve(runName, (asked) => this.#serve(asked as PoolAsk))
    peers.serve(missingName, (keys) => this.#own.missing(keys as readonly number[]))
    this.#deaf = [
      ownership.onOwner((unit) => {
        if (unit === poolsUnit) this.#turn.come()
      }),
      ownership.onGone((node) => this.#period?.nodeGone(node)),
    ]
    this.#wish()
  }

  get counts(): PoolCounts {
    const { pools, bookings } = this.#period?.local ?? {}
    const { size = 0, holds = 0, waiting = 0 } = pools ?? {}
    const now = this.#done()
    const forwarded = this.#forwarded
    return {
      size,
      holds,
      waiting,
      ...now,
      booked: now.booked + (bookings?.booked ?? 0),
      forwarded,
      owned: pools ? 1 : 0,
    }
  }

  async run<Name extends OperationName>(name: Name, { user, owner }: Holder, wish: Wish<Name>): Promise<Result<Name>> {
    // What binds a hold to its connection; for the rest the user counts.
    const binds = name === 'acquire' || name === 'attach'
    const key = binds && owner !== undefined ? this.#own.keyOf(owner) : undefined
    const connection = key === undefined ? undefined : { node: this.#parts.ownership.node, key }
    // By its id what is asked again is known for the same.
    const named = name === 'acquire' || name === 'book' ? { ...(wish as object), id: newId(this.#parts.random) } : wish
    const call = new PoolCall({ name, caller: { user, connection }, wish: named }, this.#parts.clock.monotonic())
    const waits = name === 'acquire' ? owner : undefined
    if (waits !== undefined) this.#acquiring.add(waits, call)
    try {
      return (await this.#answer(call)) as Result<Name>
    } finally {
      if (waits !== undefined) this.#acquiring.delete(waits, call)
    }
  }

  dropWaiters(owner: object): void {
    for (const call of this.#acquiring.of(owner)) call.drop(new NitkaError('busy', 'whoever waited is gone'))
    this.#tell('dropWaiters', owner, {})
  }

  gone(owner: object, clean: boolean): void {
    for (const call of this.#acquiring.of(owner)) call.drop(new NitkaError('busy', 'whoever waited is gone'))
    this.#tell('gone', owner, { clean })
    this.#own.end(owner)
  }

  /** With another node there, it is to have the pools; what is asked here is asked of it. */
  stop(): void {
    if (this.#parts.ownership.nodes.size < 2) return
    this.#stopped = true
    void this.#giveBack()
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const deaf of this.#deaf) deaf()
    await this.#giveBack()
    this.#turn.come()
  }

  #wish(): void {
    if (this.#stopped || this.#closed || this.#claim !== undefined) return
    this.#claim = this.#parts.ownership.claim(poolsUnit, {
      gained: (fence) => void this.#begin(fence),
      lost: () => this.#again(),
    })
  }

  /** The pools are this node's when they have been read. */
  async #begin(fence: number): Promise<void> {
    const opening = {}
    this.#opening = opening
    const failed = (): void => {
      if (this.#opening === opening) this.#again()
    }
    try {
      const period = await Period.open(this.#parts, this.#options, fence, failed)
      if (this.#opening !== opening || this.#claim?.fence !== fence) {
        period.close(new Moved())
        return failed()
      }
      this.#period = period
      period.reconcile()
      this.#turn.come()
    } catch (error) {
      if (!(error instanceof Moved)) this.#parts.onError(error)
      failed()
    }
  }

  /**
   * This node cannot go on, and wishes to have the pools under another fence: under this one, what it wrote and has no answer
   * to may come late, after they were read again.
   */
  #again(): void {
    void this.#giveBack().then(() => this.#parts.clock.after(retryMs, () => this.#wish()))
  }

  async #giveBack(): Promise<void> {
    const claim = this.#claim
    this.#claim = undefined
    this.#opening = undefined
    this.#end()
    await claim?.release()
  }

  #end(): void {
    const period = this.#period
    if (period === undefined) return
    this.#before = this.#done()
    this.#before.booked += period.local.bookings.booked
    this.#period = undefined
    period.close(new Moved('the pools are at another node'))
  }

  /** Since the start of this node, but for the bookings of the period. */
  #done(): typeof noCounts {
    const { acquired = 0, released = 0, expired = 0, unserved = 0 } = this.#period?.local.pools ?? {}
    const before = this.#before
    return {
      acquired: before.acquired + acquired,
      released: before.released + released,
      expired: before.expired + expired,
      unserved: before.unserved + unserved,
      booked: before.booked,
    }
  }

  /** The period, while this node has the right, this moment. */
  get #current(): Period | undefined {
    const period = this.#period
    return period !== undefined && period.fence === this.#claim?.fence ? period : undefined
  }

  /** Tells of a connection, if it has ever asked. Unheard, the next node to have the pools asks. */
  #tell(name: 'gone' | 'dropWaiters', owner: object, wish: unknown): void {
    const key = this.#own.find(owner)
    if (key === undefined || this.#closed) return
    const connection = { node: this.#parts.ownership.node, key }
    const call = new PoolCall({ name, caller: { user: '', connection }, wish }, this.#parts.clock.monotonic())
    this.#answer(call).catch(() => undefined)
  }

  async #answer(call: PoolCall): Promise<unknown> {
    if (this.#calls >= callsMax) throw new NitkaError('overloaded', `${callsMax} calls for pools are under way already`)
    this.#calls += 1
    try {
      return await this.#until(call)
    } finally {
      this.#calls -= 1
    }
  }

  /** Asks where the pools are, until it is answered. */
  async #until(call: PoolCall): Promise<unknown> {
    const { clock, ownership } = this.#parts
    let homeless = clock.monotonic()
    for (let repeated = false; ; ) {
      const at = clock.monotonic()
      const period = this.#current
      const owner = ownership.owner(poolsUnit)?.node
      const other = owner === ownership.node ? undefined : owner
      if (period !== undefined || other !== undefined) {
        const ask = call.ask(at)
        const going = period === undefined ? this.#there(other as string, ask, call) : this.#here(period, ask)
        const answered = await Promise.race([this.#forgiving(going, call, repeated), call.dropped])
        if ('value' in answered) return answered.value
        repeated = true
        // It waited there: its time without a home begins anew.
        if (clock.monotonic() - at > 4 * againMs) homeless = clock.monotonic()
      }
      const left = homeless + takeOverMs - clock.monotonic()
      if (left <= 0 || this.#closed) throw noHome(repeated)
      await Promise.race([this.#turn.wait(repeated ? Math.min(left, againMs) : left), call.dropped])
    }
  }

  /** What ended something, asked again because its answer was lost, does not find it any more: that is as well. */
  async #forgiving(going: Promise<Answered>, { name }: PoolCall, repeated: boolean): Promise<Answered> {
    try {
      return await going
    } catch (error) {
      const ends = name === 'release' || name === 'cancel'
      if (repeated && ends && error instanceof NitkaError && error.code === 'not-found') return { value: undefined }
      throw error
    }
  }

  async #there(node: string, ask: PoolAsk, call: PoolCall): Promise<Answered> {
    this.#forwarded += 1
    const asked: Call = this.#parts.peers.call(node, runName, ask)
    call.dropped.catch(() => asked.drop())
    try {
      return (await asked.answer) as Answered
    } catch (error) {
      // The node is gone, or forgot what it answered.
      if (error instanceof NitkaError && error.code === 'unavailable') return moved
      throw error
    }
  }

  async #here(period: Period, { name, caller, wish }: PoolAsk): Promise<Answered> {
    try {
      if (name === 'gone') period.gone(caller.connection as Connection, (wish as { clean: boolean }).clean)
      else if (name === 'dropWaiters') period.dropWaiters(caller.connection as Connection)
      else return { value: await period.run(name, caller, wish as never) }
      return { value: undefined }
    } catch (error) {
      if (error instanceof Moved) return moved
      throw error
    }
  }

  #serve(ask: PoolAsk): Promise<Answered> | Answered {
    const period = this.#current
    if (period === undefined) return moved
    const known = ask.name === 'gone' || ask.name === 'dropWaiters' || Object.hasOwn(operations, ask.name)
    if (!known) throw new NitkaError('invalid', `pools know no ${ask.name}`, { field: 'name' })
    return this.#here(period, ask)
  }
}

function noHome(repeated: boolean): NitkaError {
  const unsure = repeated ? '; whether it was done is unknown' : ''
  return new NitkaError('unavailable', `no node has the pools at present; come back${unsure}`)
}
