// Records of pools, as they come: a key each. The numbers for tokens begin at the generation of the store times 2^32, so that
// a store that was put back from a backup gives larger ones than the store that was lost.

import { NitkaError } from '@nitka/protocol'
import type { PoolRecord, PoolRecordKind, PoolStore, PoolWrite } from '../../pools/pool-store.ts'
import { nameBytes } from '../names.ts'
import type { Committer } from './committer.ts'
import type { Draft, Operation, Slot } from './draft.ts'
import { beyond, counted, justAfter, key, spaces } from './keys.ts'
import type { Reader } from './reader.ts'
import { Parts, seal } from './values.ts'

const kindByte = { resource: 0x72, hold: 0x68, booking: 0x62 } as const satisfies Record<PoolRecordKind, number>
const kinds = Object.keys(kindByte) as PoolRecordKind[]
export const tokensPerGeneration = 2 ** 32

export class EmbeddedPoolStore implements PoolStore {
  readonly #committer: Committer
  readonly #reader: Reader
  readonly #generation: number

  /** @param generation counts how often the store began anew after a loss, from 1 */
  constructor(committer: Committer, reader: Reader, generation: number) {
    this.#committer = committer
    this.#reader = reader
    this.#generation = generation
  }

  async load(): Promise<readonly PoolRecord[]> {
    return this.#reader.view(async (view) => {
      const records: PoolRecord[] = []
      let from: Buffer = spaces.pool
      for (;;) {
        const rows = await view.rows({ from, to: beyond(spaces.pool), limit: 1_000 })
        if (rows.length === 0) return records
        for (const [at, value] of rows) {
          records.push({ ...readPoolKey(at), value: view.open(at, value).toString() })
          from = justAfter(at)
        }
      }
    })
  }

  async save(writes: readonly PoolWrite[]): Promise<void> {
    if (writes.length > 0) await this.#committer.submit(new SaveOperation(writes))
  }

  /** No other process has the store. */
  under(): PoolStore {
    return this
  }

  tokens(count: number): Promise<number> {
    return this.#committer.submit(new TokensOperation(count, this.#generation * tokensPerGeneration))
  }
}

function recordKey({ kind, pool, id }: Omit<PoolRecord, 'value'>): Buffer {
  return key(
    spaces.pool,
    Buffer.from([kindByte[kind]]),
    counted(nameBytes(pool, 'pool', 128)),
    nameBytes(id, 'id', 128),
  )
}

/** What the key of a record says. */
export function readPoolKey(at: Buffer): Omit<PoolRecord, 'value'> {
  const kind = kinds.find((one) => kindByte[one] === at[spaces.pool.length])
  if (kind === undefined) throw new NitkaError('damaged', 'a key of the store names no kind of record')
  const start = spaces.pool.length + 2
  const end = start + (at[start - 1] ?? 0)
  return { kind, pool: at.toString('utf8', start, end), id: at.toString('utf8', end) }
}

class SaveOperation implements Operation<void> {
  readonly bytes: number
  /** Frees resources too; and what is held is small. */
  readonly essential = true
  readonly #keys: readonly Buffer[]
  readonly #writes: readonly PoolWrite[]

  /** @throws NitkaError `invalid` */
  constructor(writes: readonly PoolWrite[]) {
    this.#writes = writes
    this.#keys = writes.map(recordKey)
    this.bytes = writes.reduce((bytes, write) => bytes + 100 + ('value' in write ? write.value.length : 0), 0)
  }

  ask(): void {
    // Written without being read.
  }

  /** Runs once per hold taken or ended. */
  plan(draft: Draft): void {
    for (const [i, write] of this.#writes.entries()) {
      const at = this.#keys[i] as Buffer
      if ('value' in write) draft.writes.push({ type: 'put', key: at, value: seal(at, Buffer.from(write.value)) })
      else draft.deleteKey(at)
    }
  }
}

export const tokensKey = key(spaces.meta, Buffer.from('tokens'))

class TokensOperation implements Operation<number> {
  readonly bytes = 100
  readonly essential = true
  readonly #count: number
  readonly #base: number
  #slot: Slot | undefined

  constructor(count: number, base: number) {
    this.#count = count
    this.#base = base
  }

  ask(draft: Draft): void {
    this.#slot = draft.slot(tokensKey)
  }

  plan(draft: Draft): number {
    const slot = this.#slot
    const body = slot?.body
    const first = Math.max(this.#base + 1, body === undefined ? 0 : readTokens(body))
    const next = Buffer.alloc(8)
    next.writeBigUInt64BE(BigInt(first + this.#count))
    if (slot !== undefined) draft.put(slot, next)
    return first
  }
}

export function readTokens(body: Buffer): number {
  return Number(new Parts(body).raw(8).readBigUInt64BE())
}
