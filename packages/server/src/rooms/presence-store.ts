// The port that presence needs of an engine with several nodes: who is where, as each node says of itself. A record that
// may be lost with the database: then every node says it again.

/** What a node says of one of its users. */
export interface PresenceChange {
  readonly room: string
  readonly user: string
  /** Grows with each change on the node: of two of one user in one room the larger is true. */
  readonly version: number
  readonly online: boolean
}

export interface PresenceRow extends PresenceChange {
  readonly node: string
}

export interface PresenceStore {
  /** Writes what changed on a node, at most 5,000. Older versions change nothing. @throws NitkaError `unavailable` */
  save(node: string, changes: readonly PresenceChange[]): Promise<void>
  /** Everything that `node` said is saved from now on: it stands among `look`'s nodes until it is forgotten. */
  complete(node: string): Promise<void>
  /** The store's time, milliseconds, and the nodes whose rows are complete. */
  look(): Promise<{ readonly time: number; readonly nodes: readonly string[] }>
  /** Who is online in the rooms, at most 5,000 of them. */
  list(rooms: readonly string[]): Promise<readonly PresenceRow[]>
  /** What was saved in the rooms, at most 5,000, after a time of the store; who went is told for a minute. */
  changes(rooms: readonly string[], since: number): Promise<readonly PresenceRow[]>
  /** Removes all that a node said. */
  forget(node: string): Promise<void>
}
