// Removes in the background what the record no longer needs. Every node tries, one at a time works.

import type { Clock, Random } from '../../world.ts'
import { Rounds } from '../rounds.ts'
import type { Database } from './database.ts'

const everyMs = 60_000
const pieceMax = 5_000
/** Several times as long as nodes wait between their looks at what changed. */
const changesKept = '30 seconds'

/** Of this database, prepared ones too; of other roles only what the node's may see. */
const oldestTransaction = `
  select coalesce(greatest(
    (select max(extract(epoch from clock_timestamp() - a.xact_start)) from pg_stat_activity a
       where a.datname = current_database() and a.backend_type = 'client backend'),
    (select max(extract(epoch from clock_timestamp() - p.prepared)) from pg_prepared_xacts p where p.database = current_database())
  ) * 1000, 0)::float8 as ms`

export class Housekeeping {
  /** Rows removed by this node. */
  removed = 0
  /** For how long the oldest transaction was open at the last round: as long as it is, nothing that was removed since frees any room. */
  oldestTransactionMs = 0
  readonly #database: Database
  readonly #dedupeWindowMs: number
  readonly #rounds: Rounds

  constructor(parts: { database: Database; clock: Clock; random: Random; dedupeWindowMs: number }) {
    this.#database = parts.database
    this.#dedupeWindowMs = parts.dedupeWindowMs
    // Nodes that were started together do not all try at one moment.
    const jitterMs = Math.floor(parts.random.fraction() * (everyMs / 2))
    this.#rounds = new Rounds(parts.clock, everyMs / 2 + jitterMs, () => this.#round())
  }

  /** Works until nothing is left, or something fails: then the next time. Never rejects. */
  run(): Promise<void> {
    return this.#rounds.run()
  }

  close(): Promise<void> {
    return this.#rounds.close()
  }

  async #round(): Promise<void> {
    await this.#empty('nitka.tidy($2::interval, $1)', `${this.#dedupeWindowMs} milliseconds`)
    await this.#empty('nitka.tidy_changes($2::interval, $1)', changesKept)
    await this.#empty('nitka.tidy_owners($1)')
    const [row] = await this.#database.run<{ ms: number }>(oldestTransaction).catch(() => [])
    if (row !== undefined) this.oldestTransactionMs = row.ms
  }

  /** Repeats a call that removes a piece, `$1` rows of what is older than `$2`, until there is less than one. */
  async #empty(call: string, ...keep: string[]): Promise<void> {
    let removed = pieceMax
    while (removed >= pieceMax && !this.#rounds.closed) {
      const asked = this.#database.run<{ removed: number }>(`select ${call} as removed`, [pieceMax, ...keep])
      const rows = await asked.catch(() => [])
      removed = rows[0]?.removed ?? 0
      this.removed += removed
    }
  }
}
