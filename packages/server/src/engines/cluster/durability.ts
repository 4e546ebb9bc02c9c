// What a confirmation is worth on this Postgres, by the settings that it really has.

import type { Durability } from '../engine.ts'
import type { Database } from './database.ts'

export interface FoundDurability {
  readonly durability: Durability
  /** Why it is less than a confirmation promises; undefined: it is not. */
  readonly weak: string | undefined
}

/** Reads the settings as they are for this user and database. Errors as of the database. */
export async function findDurability(database: Pick<Database, 'run'>): Promise<FoundDurability> {
  const [settings] = await database.run<{ fsync: string; commit: string; standbys: string }>(
    `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
            current_setting('synchronous_standby_names') as standbys`,
  )
  const { fsync = 'on', commit = 'on', standbys = '' } = settings ?? {}
  if (fsync !== 'on') return weak(`fsync is ${fsync}: what is confirmed may be lost with the machine`)
  if (commit === 'off') return weak('synchronous_commit is off: what is confirmed may be lost with the process')
  // By `remote_write` a standby has it in its memory, and loses it with its own machine.
  const replicated = standbys !== '' && (commit === 'on' || commit === 'remote_apply')
  return { durability: replicated ? 'replicated' : 'disk', weak: undefined }
}

function weak(reason: string): FoundDurability {
  return { durability: 'relaxed', weak: reason }
}
