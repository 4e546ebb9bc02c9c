// Bookings as programs, dialects and routes use them, wherever they are.

import type { BookWish } from './bookings.ts'
import type { Booking } from './calendar.ts'
import type { Range } from './operations.ts'
import type { PoolHome } from './pool-home.ts'

/** Resources that are somebody's from one time to another. They are where the pools are. */
export class BookingService {
  readonly #home: PoolHome

  /** @internal */
  constructor(home: PoolHome) {
    this.#home = home
  }

  /** Bookings that this node has made since its start. */
  get booked(): number {
    return this.#home.counts.booked
  }

  /**
   * Books resources, all or none. Durable when resolved.
   * @throws NitkaError `invalid` the time, `not-found` pool or resource, `conflict` not enough is free in that time
   */
  book(user: string, wish: BookWish): Promise<Booking> {
    return this.#home.run('book', { user, owner: undefined }, wish)
  }

  /** Durable when resolved. @throws NitkaError `not-found`, `forbidden` somebody else's */
  cancel(user: string, booking: string): Promise<void> {
    return this.#home.run('cancel', { user, owner: undefined }, { booking })
  }

  /** Bookings of a pool that touch the time, by time; the first 500. @throws NitkaError `not-found` no such pool */
  list(pool: string, range: Range): Promise<readonly Booking[]> {
    return this.#home.run('calendar', { user: '', owner: undefined }, { ...range, pool })
  }
}
