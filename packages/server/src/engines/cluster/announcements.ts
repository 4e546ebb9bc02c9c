// What applications store by the functions of the schema, inside transactions of their own: after a commit the database tells
// every node. A node that did not hear looks by itself. The library's own way to listen gives up for good when the database is
// away for a while; this one goes on.

import { isObject } from '@nitka/protocol'
import postgres from 'postgres'
import type { LogName } from '../../log/log-store.ts'
import type { Clock, Timer } from '../../world.ts'
import { postgresAccess } from './access.ts'

/** As the functions of the schema know it. */
const channel = 'nitka'
const againMs = 1_000

export interface AnnouncementParts {
  readonly url: string
  readonly clock: Clock
  readonly stored: (log: LogName, offset: number) => void
  readonly added: (queue: string) => void
  /** Something may have been missed. */
  readonly gap: () => void
}

/** A connection of its own that listens, and comes back by itself. */
export class Announcements {
  readonly #parts: AnnouncementParts
  readonly #sql: postgres.Sql
  #missed = false
  #closed = false
  #again: Timer | undefined

  private constructor(parts: AnnouncementParts) {
    this.#parts = parts
    const hooks = {
      onnotify: (_channel: string, text: string) => this.#tell(text),
      onclose: () => this.#lost(),
    }
    const { url, ssl } = postgresAccess(parts.url)
    this.#sql = postgres(url, {
      ssl,
      ...{ max: 1, fetch_types: false, idle_timeout: 0, max_lifetime: null, connect_timeout: 5 },
      connection: { application_name: 'nitka announcements' },
      onnotice: () => undefined,
      ...hooks,
    } as postgres.Options<Record<string, never>>)
  }

  /** Resolves when it listens. Rejects when the database does not answer. */
  static async open(parts: AnnouncementParts): Promise<Announcements> {
    const announcements = new Announcements(parts)
    await announcements.#listen()
    return announcements
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#again?.cancel()
    await this.#sql.end({ timeout: 1 }).catch(() => undefined)
  }

  async #listen(): Promise<void> {
    await this.#sql.unsafe(`listen ${channel}`)
    if (this.#missed) this.#parts.gap()
    this.#missed = false
  }

  #lost(): void {
    if (this.#closed) return
    this.#missed = true
    this.#again?.cancel()
    this.#again = this.#parts.clock.after(againMs, () => void this.#listen().catch(() => this.#lost()))
  }

  #tell(text: string): void {
    let told: unknown
    try {
      told = JSON.parse(text)
    } catch {
      // Somebody else uses the channel.
      return
    }
    if (!isObject(told)) return
    const { kind, log, offset, queue } = told
    if (kind === 'task' && typeof queue === 'string') this.#parts.added(queue)
    else if ((kind === 'room' || kind === 'user') && typeof log === 'string' && typeof offset === 'number') {
      this.#parts.stored({ kind, id: log }, offset)
    }
  }
}
