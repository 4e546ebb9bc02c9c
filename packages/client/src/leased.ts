// A task that this client works on, and its lease: renewed while the work goes on, and given up before it ends when that
// does not succeed, so that two never work on one task.

import type { LeasedTask } from './answers.ts'
import { NitkaError } from './errors.ts'
import type { Line } from './line.ts'

/** Parts of a lease: when it is renewed, how soon again after a failure, and when the work must have stopped. */
const renewAt = 0.4
const renewAgain = 0.1
const stopAt = 0.8

/** Why a lease ended: the server's reasons. */
export type Because = 'expired' | 'done' | 'failed' | 'released' | 'buried'

export class Leased {
  readonly task: LeasedTask
  /** Fires before the lease ends. */
  readonly signal: AbortSignal
  readonly #abort = new AbortController()
  readonly #line: Line
  readonly #onLost: (because: Because) => void
  #leaseFrom: number
  #cancelRenew: (() => void) | undefined
  #cancelStop: (() => void) | undefined
  readonly #off: () => void
  #over = false

  constructor(line: Line, task: LeasedTask, onLost: (because: Because) => void) {
    this.#line = line
    this.task = task
    this.signal = this.#abort.signal
    this.#onLost = onLost
    this.#leaseFrom = line.world.now()
    this.#off = line.events.on('state', ({ state }) => {
      if (state === 'closed') this.lost('released')
    })
    this.#renewAfter(task.lease * renewAt)
    this.watch()
  }

  /** The server says that the lease has ended, or it is about to, or there is no way left to renew and report it. */
  lost(because: Because): void {
    if (this.#over) return
    this.end()
    this.#abort.abort(new NitkaError('lost', `the lease of ${this.task.id} has ended: ${because}`))
    this.#onLost(because)
  }

  /** The work is done, one way or the other. */
  end(): void {
    this.#over = true
    this.#off()
    this.#cancelRenew?.()
    this.#cancelStop?.()
  }

  async progress(progress: unknown): Promise<void> {
    const { id, token } = this.task
    await this.#line.call('tasks.progress', { id, token, progress }, 'safe', { timeoutMs: this.task.lease })
  }

  /** Gives it up when it is time. Looked at again when the computer may have slept: timers sleep with it. */
  watch(): void {
    this.#cancelStop?.()
    const leftMs = this.#leaseFrom + this.task.lease * stopAt - this.#line.world.now()
    this.#cancelStop = this.#line.world.after(Math.max(0, leftMs), () => this.lost('expired'))
  }

  #renewAfter(ms: number): void {
    this.#cancelRenew = this.#line.world.after(ms, () => void this.#renew())
  }

  async #renew(): Promise<void> {
    const { id, token, lease } = this.task
    const askedAt = this.#line.world.now()
    try {
      await this.#line.call('tasks.extend', { id, token, lease }, 'bound', { timeoutMs: lease * (stopAt - renewAt) })
      if (this.#over) return
      // The server counts from when it heard of it, which was later.
      this.#leaseFrom = askedAt
      this.watch()
      this.#renewAfter(lease * renewAt)
    } catch (thrown) {
      if (this.#over) return
      const { code, retry } = thrown as NitkaError
      if (retry || code === 'lost' || code === 'timeout') this.#renewAfter(lease * renewAgain)
      else this.lost('expired')
    }
  }
}
