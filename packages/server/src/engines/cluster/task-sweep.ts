// The look that a node takes at all tasks every second: it finds what no hint told, adds up counts, forgets what is old.

import type { Ended } from '../../tasks/task-store.ts'
import type { Clock } from '../../world.ts'
import { Rounds } from '../rounds.ts'
import type { Database } from './database.ts'
import type { OverviewRow, OwnLease, TaskBoard } from './task-board.ts'

/** Leases of this node's workers that one look asks about. */
const leasesMax = 2_000
/** What one statement forgets, and how many of those one sweep makes: others want the database too. */
const pieceMax = 1_000
const piecesMax = 20

export interface SweepParts {
  readonly database: Database
  readonly clock: Clock
  readonly board: TaskBoard
  readonly sweepMs: number
  readonly awayMs: number
  readonly doneMs: number
  readonly dedupeWindowMs: number
  /** Queues have something ready, whoever put it there. */
  readonly onReady: (queue: string) => void
  /** Something is due earlier than was known. */
  readonly onDue: () => void
  /** Leases of this node's workers that ended elsewhere. */
  readonly onEnded: (ended: readonly Ended[]) => void
}

interface EndedLeaseRow {
  readonly id: string
  readonly token: string
  /** Null: the task is gone, or the attempt is out of its history. */
  readonly how: Ended['how'] | null
  readonly reason: string | null
  readonly dead: number
}

export class TaskSweep {
  readonly #parts: SweepParts
  readonly #rounds: Rounds

  constructor(parts: SweepParts) {
    this.#parts = parts
    this.#rounds = new Rounds(parts.clock, parts.sweepMs, () => this.#round())
  }

  /** One round, the one that runs already if there is one. Does not fail: the next one comes. */
  run(): Promise<void> {
    return this.#rounds.run()
  }

  /** Looks at the counts of all queues and at what is due. */
  async look(): Promise<void> {
    const { database, board, onDue } = this.#parts
    const rows = await database.run<OverviewRow>('select * from nitka.task_overview()')
    if (board.look(rows)) onDue()
  }

  close(): Promise<void> {
    return this.#rounds.close()
  }

  async #round(): Promise<void> {
    const { database, board, awayMs, onReady } = this.#parts
    await database.run('select nitka.wake_leases($1)', [awayMs])
    await this.look()
    for (const queue of board.ready()) onReady(queue)
    await this.#checkLeases()
    await this.#tidy()
  }

  async #checkLeases(): Promise<void> {
    const { database, board, onEnded } = this.#parts
    const leases = board.some(leasesMax)
    if (leases.length === 0) return
    const rows = await database.run<EndedLeaseRow>(
      'select * from nitka.ended_leases($1::text[], $2::text[], $3::int[])',
      [leases.map(({ id }) => id), leases.map(({ token }) => token), leases.map(({ attempt }) => attempt)],
    )
    const ended = rows.flatMap((row) => {
      // What this node ended meanwhile was told already.
      const own = board.end(row)
      return own === undefined ? [] : [endedElsewhere(own, row)]
    })
    if (ended.length > 0) onEnded(ended)
  }

  async #tidy(): Promise<void> {
    const { database, doneMs, dedupeWindowMs } = this.#parts
    for (let i = 0; i < piecesMax && !this.#rounds.closed; i++) {
      const [row] = await database.run<{ more: boolean }>('select nitka.tidy_tasks($1, $2, $3) as more', [
        doneMs,
        dedupeWindowMs,
        pieceMax,
      ])
      if (row?.more !== true) return
    }
  }
}

/** A report is most likely the worker's own, which went to another node: then it knows. */
function endedElsewhere(own: OwnLease, { how, reason, dead }: EndedLeaseRow): Ended {
  const { id, queue, worker, attempt, token } = own
  return {
    ...{ id, queue, worker, attempt, token, how: how ?? 'expired', lost: how !== 'done' && how !== 'failed' },
    dead: dead === 1,
    ...(reason === null ? undefined : { reason }),
  }
}
