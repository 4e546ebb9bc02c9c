// Bookings: a resource of a pool from one time to another. Kept until a day after their end.

import { NitkaError } from '@nitka/protocol'
import type { Clock, Random, Timer } from '../world.ts'
import { type Booking, Calendar } from './calendar.ts'
import type { PoolStore } from './pool-store.ts'
import type { Pools } from './pools.ts'
import { bookingRecord, readRecord, type StoredBooking } from './records.ts'
import { newId } from './terms.ts'

/** What is to be booked. */
export interface BookWish {
  readonly pool: string
  /** Wall times, milliseconds since 1970: from included, to excluded. */
  readonly from: number
  readonly to: number
  readonly count?: number
  /** These, instead of any `count`. */
  readonly resources?: readonly string[]
  readonly note?: string
}

interface BookingsParts {
  readonly store: PoolStore
  readonly pools: Pools
  readonly clock: Clock
  readonly random: Random
  readonly onError: (error: unknown) => void
}

const dayMs = 24 * 60 * 60 * 1_000
const sweepMs = 60_000
const sweptMax = 1_000

/** Resources reserved for a time, past or to come. */
export class Bookings {
  booked = 0
  readonly #parts: BookingsParts
  readonly #bookingsMax: number
  readonly #calendars = new Map<string, Calendar>()
  /** The pool of each. */
  readonly #pools = new Map<string, string>()
  readonly #timer: Timer

  /** @param bookingsMax of one pool, 0: no limit @internal */
  static async open(parts: BookingsParts, bookingsMax: number): Promise<Bookings> {
    const bookings = new Bookings(parts, bookingsMax)
    for (const record of await parts.store.load()) {
      if (record.kind !== 'booking') continue
      const { id, pool } = record
      bookings.#add({ ...readRecord<StoredBooking>(record, 'booking'), id, pool })
    }
    return bookings
  }

  private constructor(parts: BookingsParts, bookingsMax: number) {
    this.#parts = parts
    this.#bookingsMax = bookingsMax
    this.#timer = parts.clock.every(sweepMs, () => this.#sweep())
  }

  /**
   * Books resources, all or none. Durable when resolved.
   * @param id of the booking; asked again with the id of one that is there, it is that one
   * @throws NitkaError `invalid` the time, `not-found` pool or resource, `conflict` not enough is free in that time
   */
  async book(user: string, wish: BookWish, id: string = newId(this.#parts.random)): Promise<Booking> {
    const known = this.#calendars.get(this.#pools.get(id) ?? '')?.get(id)
    if (known !== undefined) return known
    const { pool: name, from, to, note } = wish
    const pool = this.#parts.pools.pool(name)
    if (!(from < to) || to - from > 366 * dayMs) {
      throw new NitkaError('invalid', 'to must be after from, by a year at most', { field: 'to' })
    }
    if (to <= this.#parts.clock.now()) throw new NitkaError('invalid', 'to must not be past', { field: 'to' })
    const calendar = this.#calendars.get(name) ?? new Calendar()
    if (this.#bookingsMax !== 0 && calendar.size >= this.#bookingsMax) {
      throw new NitkaError('overloaded', `the pool ${name} may have ${this.#bookingsMax} bookings, no more`)
    }
    const resources = wish.resources ?? this.#choose(calendar, name, wish)
    const unknown = resources.find((id) => pool.resources.get(id)?.removed !== false)
    if (unknown !== undefined) {
      throw new NitkaError('not-found', `the pool ${name} has no resource ${unknown}`, { field: 'resources' })
    }
    if (new Set(resources).size < resources.length) {
      throw new NitkaError('invalid', 'resources names one twice', { field: 'resources' })
    }
    const booking: Booking = { id, pool: name, user, resources, from, to, ...(note === undefined ? {} : { note }) }
    calendar.add(booking)
    this.#calendars.set(name, calendar)
    this.#pools.set(id, name)
    this.booked += 1
    await this.#parts.store.save([bookingRecord(booking)])
    return booking
  }

  /** Durable when resolved. @throws NitkaError `not-found`, `forbidden` somebody else's */
  async cancel(user: string, id: string): Promise<void> {
    const booking = this.#calendars.get(this.#pools.get(id) ?? '')?.get(id)
    if (booking === undefined) throw new NitkaError('not-found', 'there is no such booking', { field: 'booking' })
    if (booking.user !== user) throw new NitkaError('forbidden', 'that booking is not yours', { field: 'booking' })
    await this.#remove([booking])
  }

  /** Bookings of a pool that touch the time, by time; the first 500. @throws NitkaError `not-found` no such pool */
  list(name: string, range: { from?: number; to?: number; resource?: string }): readonly Booking[] {
    this.#parts.pools.pool(name)
    const { from = this.#parts.clock.now(), to = Number.POSITIVE_INFINITY, resource } = range
    return this.#calendars.get(name)?.list({ from, to, resource, limit: listMax }) ?? []
  }

  /** @internal */
  close(): void {
    this.#timer.cancel()
  }

  /** Any that are free in that time, in the order of the pool. */
  #choose(calendar: Calendar, name: string, { from, to, count = 1 }: BookWish): readonly string[] {
    const chosen: string[] = []
    for (const [id, { removed }] of this.#parts.pools.pool(name).resources) {
      if (!removed && calendar.free(id, from, to)) chosen.push(id)
      if (chosen.length === count) return chosen
    }
    throw new NitkaError('conflict', `${count} of ${name} wanted, ${chosen.length} free in that time`, {
      field: 'count',
    })
  }

  #add(booking: Booking): void {
    const calendar = this.#calendars.get(booking.pool) ?? new Calendar()
    calendar.add(booking)
    this.#calendars.set(booking.pool, calendar)
    this.#pools.set(booking.id, booking.pool)
  }

  async #remove(bookings: readonly Booking[]): Promise<void> {
    for (const booking of bookings) {
      const calendar = this.#calendars.get(booking.pool)
      calendar?.remove(booking)
      if (calendar?.size === 0) this.#calendars.delete(booking.pool)
      this.#pools.delete(booking.id)
    }
    await this.#parts.store.save(bookings.map(({ id, pool }) => ({ kind: 'booking', pool, id })))
  }

  #sweep(): void {
    const before = this.#parts.clock.now() - dayMs
    const old: Booking[] = []
    for (const calendar of this.#calendars.values()) {
      for (const booking of calendar.endedBy(before)) if (old.push(booking) === sweptMax) break
    }
    if (old.length > 0) this.#remove(old).catch(this.#parts.onError)
  }
}

const listMax = 500
