// Holds and bookings as clients are shown them: times are RFC 3339.

import type { Booking } from './calendar.ts'
import type { HoldView } from './hold-view.ts'

export function holdAnswer({ until, ...hold }: HoldView): object {
  return { ...hold, until: new Date(until).toISOString() }
}

export function bookingAnswer({ id, from, to, ...rest }: Booking): object {
  return { booking: id, ...rest, from: new Date(from).toISOString(), to: new Date(to).toISOString() }
}
