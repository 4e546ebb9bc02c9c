// The port that `rooms/` needs of an engine: which rooms there are and who is a member. Conformance:
// engines/conformance/room-directory.ts.

/** A room, without its messages. */
export interface Room {
  /** `[A-Za-z0-9_-]{1,128}`. */
  readonly id: string
  /** What people read. */
  readonly name: string
  /** True: whoever comes may join. */
  readonly open: boolean
  readonly creator: string
  /** Wall time, milliseconds since 1970. */
  readonly time: number
}

/** A user who belongs to a room. */
export interface Member {
  readonly user: string
  /** Wall time of joining. */
  readonly time: number
}

/** A user in a room. */
export interface Membered {
  readonly room: string
  readonly user: string
}

/** The port of rooms: which there are, and who belongs to them. */
export interface RoomDirectory {
  /**
   * Creates the room with its creator as the first member, atomically. Resolves when durable.
   * @throws NitkaError `conflict` the id is taken; `overloaded` the creator is a member of `roomsPerUserMax` rooms
   */
  create(room: Room, limits: { readonly roomsPerUserMax: number }): Promise<void>

  /** A room; undefined when there is none. */
  get(id: string): Promise<Room | undefined>

  /** The user's rooms by id, after `after`, at most `limit` (1 to 500). */
  list(user: string, after: string | undefined, limit: number): Promise<readonly Room[]>

  /** The members by name, after `after`, at most `limit` (1 to 10,000). */
  members(id: string, after: string | undefined, limit: number): Promise<readonly Member[]>

  /** Whether the user is a member. */
  isMember(id: string, user: string): Promise<boolean>

  /** The room, and whether the user is a member: one consistent view. Undefined: no such room. */
  membership(id: string, user: string): Promise<{ readonly room: Room; readonly member: boolean } | undefined>

  /**
   * Resolves when durable. False: the user was a member already.
   * @throws NitkaError `not-found` no such room; `overloaded` the room or the user is at its limit (0: none)
   */
  add(
    id: string,
    member: Member,
    limits: { readonly membersPerRoomMax: number; readonly roomsPerUserMax: number },
  ): Promise<boolean>

  /** Resolves when durable. False: the user was no member. */
  remove(id: string, user: string): Promise<boolean>

  /**
   * The memberships that ended within the last so many milliseconds, on whichever node, and were not begun again. At most a
   * day back, at most 10,000 of them, the newest. Absent: no other node can end one.
   */
  removals?(withinMs: number): Promise<readonly Membered[]>
}
