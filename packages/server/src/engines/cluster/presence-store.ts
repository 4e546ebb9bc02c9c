// Presence in Postgres: rows that each node writes of its own users.

import type { PresenceChange, PresenceRow, PresenceStore } from '../../rooms/presence-store.ts'
import type { Database } from './database.ts'

const columns = 'room, user_name as "user", node, version, online'

/** How often rows that nobody asks for any more are removed. */
const tidyMs = 30_000

export class ClusterPresenceStore implements PresenceStore {
  readonly #database: Database
  readonly #now: () => number
  #tidiedAt: number

  /** @param now monotonic */
  constructor(database: Database, now: () => number) {
    this.#database = database
    this.#now = now
    this.#tidiedAt = now()
  }

  async save(node: string, changes: readonly PresenceChange[]): Promise<void> {
    if (changes.length === 0) return
    await this.#database.run(
      `insert into nitka.presence as p (room, user_name, node, version, online, changed)
         select room, user_name, $1, version, online <> 0, clock_timestamp()
           from unnest($2::text[], $3::text[], $4::bigint[], $5::int[]) as c (room, user_name, version, online)
         on conflict (room, user_name, node) do update
           set version = excluded.version, online = excluded.online, changed = excluded.changed
           where p.version < excluded.version`,
      [
        node,
        changes.map(({ room }) => room),
        changes.map(({ user }) => user),
        changes.map(({ version }) => version),
        changes.map(({ online }) => (online ? 1 : 0)),
      ],
    )
  }

  async complete(node: string): Promise<void> {
    await this.#database.run('insert into nitka.presence_nodes (node) values ($1) on conflict do nothing', [node])
  }

  async look(): Promise<{ time: number; nodes: readonly string[] }> {
    if (this.#now() - this.#tidiedAt > tidyMs) {
      this.#tidiedAt = this.#now()
      await this.#database.run('select nitka.tidy_presence()')
    }
    const [row] = await this.#database.run<{ time: number; nodes: readonly string[] }>(
      `select (extract(epoch from statement_timestamp()) * 1000)::bigint as time,
              array(select node from nitka.presence_nodes order by node) as nodes`,
    )
    return row ?? { time: 0, nodes: [] }
  }

  async list(rooms: readonly string[]): Promise<readonly PresenceRow[]> {
    return this.#database.run<PresenceRow>(
      `select ${columns} from nitka.presence where room = any($1::text[]) and online order by changed`,
      [rooms],
    )
  }

  async changes(rooms: readonly string[], since: number): Promise<readonly PresenceRow[]> {
    return this.#database.run<PresenceRow>(
      `select ${columns} from nitka.presence
         where changed > to_timestamp($2::float8 / 1000) and room = any($1::text[]) order by changed`,
      [rooms, since],
    )
  }

  async forget(node: string): Promise<void> {
    await this.#database.run('select nitka.forget_presence($1)', [node])
  }
}
