// What the settings of Postgres make of a confirmation.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Database } from './database.ts'
import { findDurability } from './durability.ts'

const cases = [
  ['on', 'on', '', 'disk'],
  ['on', 'on', 'other', 'replicated'],
  ['on', 'remote_apply', 'other', 'replicated'],
  ['on', 'remote_write', 'other', 'disk'],
  ['on', 'local', 'other', 'disk'],
  ['on', 'off', 'other', 'relaxed'],
  ['off', 'on', 'other', 'relaxed'],
] as const

test('a confirmation is called replicated only when a standby has it on disk', async () => {
  for (const [fsync, commit, standbys, durability] of cases) {
    const database = { run: async () => [{ fsync, commit, standbys }] } as unknown as Pick<Database, 'run'>
    const found = await findDurability(database)
    assert.equal(found.durability, durability, `fsync ${fsync}, synchronous_commit ${commit}, standbys ${standbys}`)
    assert.equal(found.weak === undefined, durability !== 'relaxed')
  }
})
