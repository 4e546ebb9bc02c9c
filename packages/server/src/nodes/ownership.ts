// Which node a thing belongs to that only one node may have: the executor of a request type, the pools. The record says it,
// by leases with fencing numbers; a node that cannot renew its lease stops by its own clock before another may begin.

/** Who has a unit. */
export interface Owner {
  readonly node: string
  /** Grows with every change of owner of any unit, over restarts too. */
  readonly fence: number
}

/** What whoever wishes to have a unit hears. */
export interface ClaimEvents {
  /** The unit is this node's from now on. May come again after `lost`, with the same fence when nobody had it meanwhile. */
  readonly gained: (fence: number) => void
  /** The unit is this node's no more, or that is not sure. Not told after `release`. */
  readonly lost: () => void
}

/** The wish of this node to have a unit, until it is released. */
export interface Claim {
  /** The fence while the unit is this node's, this moment, by its own clock; undefined: not now. */
  readonly fence: number | undefined
  /** Ends the wish, and gives the unit up. Resolves when others may have it; never rejects. May be called twice. */
  release(): Promise<void>
}

/** Of a node among several. Names of units are 1 to 200 bytes. */
export interface Ownership {
  /** This node's name, of this start: 20 of the characters a-z 0-9. */
  readonly node: string
  /**
   * Wishes to have a unit: it is taken when nobody has it, or who had it is gone. One claim for a unit at a time.
   * @throws NitkaError `conflict` this node has claimed it
   */
  claim(unit: string, events: ClaimEvents): Claim
  /** Who has it, as far as this node has heard. Late by 2 s at most while the store answers. */
  owner(unit: string): Owner | undefined
  /** Calls back when what `owner` says of any unit has changed, until the returned function is called. */
  onOwner(told: (unit: string) => void): () => void
  /** The nodes that are alive, this one included, as far as it has heard. */
  readonly nodes: ReadonlySet<string>
  /** Calls back when a node has gone, however: it holds nothing any more. Until the returned function is called. */
  onGone(told: (node: string) => void): () => void
}
