// What a store says about itself: the version of its layout, its epoch, how durable its confirmations are, where its commit
// chain begins. Migrations go here, one per version, each in one batch.

import { NitkaError } from '@nitka/protocol'
import type { Durability } from '../engine.ts'
import type { Disk, Write } from './disk.ts'
import { key, spaces } from './keys.ts'
import { seal, unseal } from './values.ts'

/** The layout that this code writes. */
export const schemaVersion = 1

export interface Meta {
  readonly schema: number
  /** Random, made with the store and anew whenever loss was accepted. */
  readonly epoch: string
  readonly durability: Durability
  /** The chain begins after this batch. */
  readonly base: number
  /** Counts how often it began anew after a loss, from 1. */
  readonly generation: number
}

/** From the version in front to the next. None so far. */
const migrations: Readonly<Record<number, (disk: Disk, meta: Meta) => Promise<readonly Write[]>>> = {}

const metaKey = key(spaces.meta, Buffer.from('store'))

/** Undefined in a store that was never written. */
export async function readMeta(disk: Disk): Promise<Meta | undefined> {
  const [value] = await disk.getMany([metaKey])
  if (value === undefined) return undefined
  const body = unseal(metaKey, value)
  if (body === undefined) throw new NitkaError('damaged', 'its description (meta) is damaged: restore a backup')
  return parseMeta(body.toString())
}

function parseMeta(text: string): Meta {
  const value: unknown = JSON.parse(text)
  if (typeof value === 'object' && value !== null && 'schema' in value && typeof value.schema === 'number') {
    const { schema } = value
    const epoch = 'epoch' in value && typeof value.epoch === 'string' ? value.epoch : ''
    const base = 'base' in value && typeof value.base === 'number' ? value.base : 0
    const generation = 'generation' in value && typeof value.generation === 'number' ? value.generation : 1
    const relaxed = 'durability' in value && value.durability === 'relaxed'
    return { schema, epoch, base, generation, durability: relaxed ? 'relaxed' : 'disk' }
  }
  throw new NitkaError('damaged', 'its description (meta) cannot be read: restore a backup')
}

export function writeMeta(meta: Meta): Write {
  return { type: 'put', key: metaKey, value: seal(metaKey, Buffer.from(JSON.stringify(meta))) }
}

/** The writes that bring the store to the present version, none when it is there. */
export async function migrate(disk: Disk, meta: Meta): Promise<{ readonly meta: Meta; readonly writes: Write[] }> {
  const writes: Write[] = []
  for (let version = meta.schema; version < schemaVersion; version++) {
    const step = migrations[version]
    if (step === undefined) throw new NitkaError('unavailable', `no migration from schema ${version}`)
    writes.push(...(await step(disk, meta)))
  }
  return { meta: { ...meta, schema: schemaVersion }, writes }
}

export function newerSchema(dataDir: string, schema: number): NitkaError {
  return new NitkaError(
    'unavailable',
    `${dataDir} was written by a newer Nitka (schema ${schema}, this one knows ${schemaVersion}): run that version or another folder`,
  )
}
