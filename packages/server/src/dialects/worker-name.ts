// What a worker is called in leases and histories.

import type { Session } from '../sessions/session.ts'

/** Unique: the user, when there is one, and the connection. */
export function workerName({ user, id }: Session): string {
  return user === '' ? id : `${user}/${id}`
}
