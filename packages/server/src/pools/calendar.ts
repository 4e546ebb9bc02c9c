// Time slots of one pool's resources: no two bookings of a resource overlap. Bookings are a world of their own: a pool is
// either held or booked.

import { NitkaError } from '@nitka/protocol'

/** Resources that are somebody's for a time. */
export interface Booking {
  readonly id: string
  readonly pool: string
  readonly user: string
  readonly resources: readonly string[]
  /** Wall times, milliseconds since 1970: from included, to excluded. */
  readonly from: number
  readonly to: number
  readonly note?: string
}

export class Calendar {
  /** By resource, in order of time. */
  readonly #slots = new Map<string, Booking[]>()
  readonly #bookings = new Map<string, Booking>()

  get size(): number {
    return this.#bookings.size
  }

  get(id: string): Booking | undefined {
    return this.#bookings.get(id)
  }

  /** Whether nothing of the resource is booked in between. */
  free(resource: string, from: number, to: number): boolean {
    const slots = this.#slots.get(resource) ?? none
    const next = slots[firstEndingAfter(slots, from)]
    return next === undefined || next.from >= to
  }

  /** @throws NitkaError `conflict` something of it is booked already */
  add(booking: Booking): void {
    for (const resource of booking.resources) {
      if (!this.free(resource, booking.from, booking.to)) {
        throw new NitkaError('conflict', `${resource} is booked in that time`, { field: 'resources' })
      }
    }
    for (const resource of booking.resources) {
      const slots = this.#slots.get(resource)
      if (slots === undefined) this.#slots.set(resource, [booking])
      else slots.splice(firstEndingAfter(slots, booking.from), 0, booking)
    }
    this.#bookings.set(booking.id, booking)
  }

  remove(booking: Booking): void {
    this.#bookings.delete(booking.id)
    for (const resource of booking.resources) {
      const slots = (this.#slots.get(resource) ?? []).filter((one) => one !== booking)
      if (slots.length === 0) this.#slots.delete(resource)
      else this.#slots.set(resource, slots)
    }
  }

  /** Bookings that touch the time, of one resource or of all, in order of time; at most `limit`. */
  list(range: { from: number; to: number; resource: string | undefined; limit: number }): readonly Booking[] {
    const { from, to, resource, limit } = range
    const all = resource === undefined ? this.#bookings.values() : (this.#slots.get(resource) ?? none)
    const found = [...all].filter((booking) => booking.to > from && booking.from < to)
    return found.sort((a, b) => a.from - b.from || (a.id < b.id ? -1 : 1)).slice(0, limit)
  }

  /** Bookings that ended by `time`. */
  *endedBy(time: number): Generator<Booking> {
    for (const booking of this.#bookings.values()) if (booking.to <= time) yield booking
  }
}

const none: readonly Booking[] = []

/** Slots do not overlap, so their ends are in order too. */
function firstEndingAfter(slots: readonly Booking[], time: number): number {
  let low = 0
  let high = slots.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((slots[middle]?.to ?? 0) <= time) low = middle + 1
    else high = middle
  }
  return low
}
