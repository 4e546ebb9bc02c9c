// Records of pools in Postgres, and fencing numbers that no node gets twice.

import { NitkaError } from '@nitka/protocol'
import type { Guard, PoolRecord, PoolStore, PoolWrite } from '../../pools/pool-store.ts'
import { checkName } from '../names.ts'
import { Batcher } from './batcher.ts'
import type { Database } from './database.ts'

const pageMax = 5_000

/** What `nitka.demand_owner` raises. */
const notOwner = 'NK001'

export class ClusterPoolStore implements PoolStore {
  readonly #database: Database
  readonly #guard: Guard | undefined
  /** Under a guard: a write failed, or may have. */
  #broken = false
  readonly #writes: Batcher<readonly PoolWrite[], undefined>

  /** @param guard absent: whoever asks may write */
  constructor(database: Database, guard?: Guard) {
    this.#database = database
    this.#guard = guard
    this.#writes = new Batcher((calls) => this.#save(calls), {
      itemsMax: 1_000,
      weightMax: 4_194_304,
      waitingMax: 8 * 1024 * 1024,
    })
  }

  async load(): Promise<readonly PoolRecord[]> {
    const records: PoolRecord[] = []
    for (;;) {
      const { kind, pool, id } = records.at(-1) ?? { kind: '', pool: '', id: '' }
      const page = await this.#database.run<PoolRecord>(
        `select kind, pool, id, value from nitka.pool_records where (kind, pool, id) > ($1, $2, $3)
           order by kind, pool, id limit ${pageMax}`,
        [kind, pool, id],
      )
      records.push(...page)
      if (page.length < pageMax) return records
    }
  }

  async save(writes: readonly PoolWrite[]): Promise<void> {
    try {
      await this.#submit(writes)
    } catch (error) {
      this.#broken = this.#guard !== undefined
      throw error
    }
  }

  async #submit(writes: readonly PoolWrite[]): Promise<void> {
    if (writes.length === 0) return
    let weight = 0
    for (const write of writes) {
      checkName(write.pool, 'pool', 128)
      checkName(write.id, 'id', 128)
      weight += 300 + ('value' in write ? write.value.length : 0)
    }
    await this.#writes.submit(writes, weight)
  }

  async tokens(count: number): Promise<number> {
    const [row] = await this.#run<{ first: number }>('nitka.take_tokens($1) as first', [count])
    if (row === undefined) throw new NitkaError('internal', 'the database answered nothing')
    return row.first
  }

  under(guard: Guard): PoolStore {
    return new ClusterPoolStore(this.#database, guard)
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#writes.idle()
  }

  async #save(calls: readonly (readonly PoolWrite[])[]): Promise<readonly undefined[]> {
    const writes = calls.flat()
    if (this.#broken) throw new NitkaError('conflict', 'a write before this one failed; read the store again')
    await this.#run('nitka.save_pools($1, $2, $3, $4)', [
      writes.map(({ kind }) => kind),
      writes.map(({ pool }) => pool),
      writes.map(({ id }) => id),
      writes.map((write) => ('value' in write ? write.value : null)),
    ])
    return calls.map(() => undefined)
  }

  /** Both or nothing: the function, and that the guard holds until it is done. @throws NitkaError `conflict` it does not */
  async #run<Row extends object>(
    call: string,
    parameters: Parameters<Database['run']>[1] = [],
  ): Promise<readonly Row[]> {
    const guard = this.#guard
    if (guard === undefined) return this.#database.run<Row>(`select ${call}`, parameters)
    const [unit, node, fence] = [1, 2, 3].map((i) => `$${parameters.length + i}`)
    const text = `select nitka.demand_owner(${unit}, ${node}, ${fence}), ${call}`
    try {
      return await this.#database.run<Row>(text, [...parameters, guard.unit, guard.node, guard.fence])
    } catch (error) {
      // Before the next batch: it must not be done when this one was not.
      this.#broken = true
      if ((error as { cause?: { code?: string } }).cause?.code !== notOwner) throw error
      throw new NitkaError('conflict', `${guard.unit} is another node's`, { cause: error })
    }
  }
}
