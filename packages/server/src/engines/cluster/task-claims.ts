// How a node claims tasks for its workers: what is asked at one time goes together.

import { claimBytesMax, type Lease } from '../../tasks/task-store.ts'
import { Batcher } from './batcher.ts'
import type { Database } from './database.ts'
import type { TaskBoard } from './task-board.ts'
import { type LeaseRow, leaseOf } from './task-rows.ts'
import { claimStatement } from './task-statements.ts'

export interface TaskClaimsParts {
  readonly database: Database
  readonly board: TaskBoard
  readonly node: string
  /** There is more in a queue than could be taken at once. */
  readonly onMore: (queue: string) => void
}

interface Claiming {
  readonly queue: string
  readonly worker: string
  readonly limit: number
}

export class TaskClaims {
  readonly #parts: TaskClaimsParts
  readonly #calls: Batcher<Claiming, readonly Lease[]>

  constructor(parts: TaskClaimsParts) {
    this.#parts = parts
    // A claim may bring 4 MiB of payloads.
    this.#calls = new Batcher((calls) => this.#claim(calls), { itemsMax: 32, weightMax: 1_000, waitingMax: 1_000_000 })
  }

  claim(queue: string, worker: string, limit: number): Promise<readonly Lease[]> {
    return this.#calls.submit({ queue, worker, limit }, limit)
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#calls.idle()
  }

  async #claim(calls: readonly Claiming[]): Promise<readonly (readonly Lease[])[]> {
    const { database, node, board, onMore } = this.#parts
    const rows = await database.run<LeaseRow | { call: number; id: null }>(claimStatement, [
      calls.map(({ queue }) => queue),
      calls.map(({ worker }) => worker),
      calls.map(({ limit }) => limit),
      ...[node, claimBytesMax],
    ])
    const results: Lease[][] = calls.map(() => [])
    const again = new Set<string>()
    for (const row of rows) {
      const { queue } = calls[row.call - 1] ?? { queue: '' }
      if (row.id === null) {
        again.add(queue)
        continue
      }
      results[row.call - 1]?.push(leaseOf(row))
      board.dueAt(row.until, row.now)
      board.count(queue, 'ready', -1)
      board.count(queue, 'leased', 1)
    }
    for (const leases of results) board.lease(leases)
    // Somebody else had hold of some, or the bytes are full: whoever asks again gets more.
    for (const queue of again) onMore(queue)
    return results
  }
}
