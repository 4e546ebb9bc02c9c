// What travels, as types. Times on the wire are RFC 3339, ids strings, positions (epoch, offset, id).

/** A place in a log that a client knows. `id` proves that the past is still the same; offset 0 needs none. */
export interface Position {
  readonly epoch?: string
  readonly offset: number
  readonly id?: string
}

/** Offsets that a client will not get, and why. Both ends are included. */
export interface Missing {
  readonly from: number
  readonly to: number
  readonly reason: 'trimmed' | 'damaged' | 'history-changed' | 'never-joined'
}

/** The answer to every join and resume: everything since the position follows, or exactly this is missing. */
export type Recovery =
  | { readonly recovered: true }
  | { readonly recovered: false; readonly reason: Missing['reason']; readonly missing: readonly Missing[] }

/** A user id as its sender wrote it: `7` and `"7"` are the same user. */
export type UserId = string | number

/** A message from a user to a user. */
export interface UserMessage {
  readonly fromUser: UserId
  readonly toUser: UserId
  readonly message: unknown
  readonly id: string
  readonly time: string
  /** In the log of the user who reads it. */
  readonly offset: number
}

/** A message from the application's backend to a user. */
export interface SystemMessage {
  readonly system: true
  readonly toUser: UserId
  readonly message: unknown
  readonly data?: unknown
  readonly id: string
  readonly time: string
  readonly offset: number
}

/** An entry of a room. */
export interface RoomEntry {
  readonly offset: number
  readonly id: string
  readonly room: string
  readonly from: string
  readonly message: unknown
  readonly time: string
}
