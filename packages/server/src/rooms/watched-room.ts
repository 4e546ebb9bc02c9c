// One room as other nodes say it is, while this node watches it: by user and node the newest statement.

import type { BusSubscription } from '../bus.ts'
import type { Clock } from '../world.ts'

interface Statement {
  readonly user: string
  readonly node: string
  readonly version: number
  readonly online: boolean
}

interface Known extends Statement {
  /** When it was heard here, monotonic. */
  readonly at: number
}

/** What was heard so recently need not be in the store yet. */
const recentMs = 10_000

/** Statements that a user left are kept so long: an older one that comes later must not count. */
const leftMs = 60_000

export class WatchedRoom {
  readonly name: string
  watchers = 0
  /** The store has answered at least once. */
  loaded = false
  /** The store has not answered the last question. */
  stale = true
  ready: Promise<void> = Promise.resolve()
  remote: BusSubscription | undefined
  readonly #clock: Clock
  readonly #told: (user: string, online: boolean) => void
  readonly #users = new Map<string, Map<string, Known>>()
  /** Only those who are online. */
  readonly #online = new Set<string>()

  constructor(name: string, clock: Clock, told: (user: string, online: boolean) => void) {
    this.name = name
    this.#clock = clock
    this.#told = told
  }

  has(user: string): boolean {
    return this.#online.has(user)
  }

  /** In the order in which they came, as this node heard of it. */
  users(): Iterable<string> {
    return this.#online
  }

  apply(statement: Statement): void {
    if (this.#keep(statement)) this.#settle(statement.user)
  }

  /**
   * Takes over who is online as the store has it. Who is not among them has gone, unless they came just now.
   * @param complete nodes of which the store has everything: what others said stands
   */
  load(rows: readonly Statement[], complete: ReadonlySet<string>): void {
    const changed = new Set<string>()
    const listed = new Set(rows.map(({ user, node }) => `${node} ${user}`))
    for (const row of rows) if (this.#keep(row)) changed.add(row.user)
    const now = this.#clock.monotonic()
    for (const [user, nodes] of this.#users) {
      for (const [node, { online, at }] of nodes) {
        if (listed.has(`${node} ${user}`) || now - at < (online ? recentMs : leftMs)) continue
        if (online && !complete.has(node)) continue
        nodes.delete(node)
        changed.add(user)
      }
    }
    this.loaded = true
    this.stale = false
    for (const user of changed) this.#settle(user)
  }

  /** The node is gone, and what it said with it. */
  drop(node: string): void {
    for (const [user, nodes] of this.#users) if (nodes.delete(node)) this.#settle(user)
  }

  #keep(statement: Statement): boolean {
    const { user, node, version } = statement
    const nodes = this.#users.get(user) ?? new Map<string, Known>()
    if (version <= (nodes.get(node)?.version ?? 0)) return false
    this.#users.set(user, nodes)
    nodes.set(node, { ...statement, at: this.#clock.monotonic() })
    return true
  }

  #settle(user: string): void {
    const nodes = this.#users.get(user)
    const online = nodes?.values().some((one) => one.online) === true
    if (nodes?.size === 0) this.#users.delete(user)
    if (online === this.#online.has(user)) return
    if (online) this.#online.add(user)
    else this.#online.delete(user)
    this.#told(user, online)
  }
}
