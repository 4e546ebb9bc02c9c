// Holds and bookings as clients are shown them: times are RFC 3339.

import { isObject } from '@nitka/protocol'
import type { Booking } from './calendar.ts'
import type { HoldView } from './hold-view.ts'

export function holdAnswer({ until, ...hold }: HoldView): object {
  return { ...hold, until: new Date(until).toISOString() }
}

export function bookingAnswer({ id, from, to, ...rest }: Booking): object {
  return { booking: id, ...rest, from: new Date(from).toISOString(), to: new Date(to).toISOString() }
}

/** A hold in the plain dialect: its resources as they were added, those without data by their ids alone. Anything else as it is. */
export function plainAnswer(answer: unknown): unknown {
  if (!isObject(answer) || !Array.isArray(answer.resources)) return answer
  const { resources, ...rest } = answer as {
    readonly resources: readonly (string | { readonly id: string; readonly data?: unknown })[]
  }
  return {
    ...rest,
    resources: resources.map((one) => (typeof one === 'string' || one.data !== undefined ? one : one.id)),
  }
}
