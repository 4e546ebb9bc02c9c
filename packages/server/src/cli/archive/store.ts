// The store of a data folder, for commands that work on it without a server.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { NitkaError } from '@nitka/protocol'
import type { Config } from '../../config.ts'
import { type EmbeddedEngine, type EmbeddedOptions, openEmbedded } from '../../engines/embedded/engine.ts'
import { openWhole, type WholeStore } from '../../engines/embedded/whole.ts'
import { realWorld } from '../../world.ts'

/** Opens the store that is there. @throws NitkaError there is none, a server uses it, or it is damaged */
export async function openExisting(config: Config, more: Partial<EmbeddedOptions> = {}): Promise<EmbeddedEngine> {
  demandStore(config)
  return openOffline(config, config.data, more)
}

/** Opens the store that is there, to be read alone: nothing of it changes. @throws NitkaError as `openExisting` */
export async function openUnchanged(config: Config): Promise<WholeStore> {
  demandStore(config)
  return openWhole({ dataDir: config.data, world: realWorld(), durability: durabilityOf(config) })
}

function demandStore({ data }: Config): void {
  const there = ['store', 'committed'].some((name) => existsSync(join(data, name)))
  if (!there) throw new NitkaError('not-found', `there is no store in ${data}; name its folder with --data`)
}

function durabilityOf({ durability }: Config): 'relaxed' | 'disk' {
  return durability === 'relaxed' ? 'relaxed' : 'disk'
}

export function openOffline(config: Config, dataDir: string, more: Partial<EmbeddedOptions> = {}) {
  return openEmbedded({
    dataDir,
    world: realWorld(),
    durability: durabilityOf(config),
    dedupeWindowMs: config.dedupeMs,
    doneMs: config.doneMs,
    queueTasks: 0,
    ...more,
  })
}

/** The counts of an export as people read them. */
export function countsText(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([type, count]) => `${count} ${named(type, count)}`)
  return parts.length === 0 ? 'nothing' : parts.join(', ')
}

const plurals: Readonly<Record<string, string>> = {
  entry: 'entries',
  sent: 'client ids',
  once: 'keys of tasks',
  pool: 'records of pools',
}

function named(type: string, count: number): string {
  return count === 1 ? type : (plurals[type] ?? `${type}s`)
}
