// Reports of tasks: one call at a time, each with everything that ended meanwhile, repeated until it is answered.

import type { NitkaError } from './errors.ts'
import type { Line } from './line.ts'
import { sendOptions } from './sending.ts'

export interface Outcome {
  readonly id: string
  readonly token: string
  /** It failed, and why. */
  readonly reason?: string
}

/** In one call. */
const reportsMax = 500

export class Reports {
  readonly #line: Line
  readonly #onStale: (ids: readonly string[]) => void
  #ended: Outcome[] = []
  #telling: Promise<void> | undefined

  /** @param onStale told of tasks whose report came too late: another attempt counts */
  constructor(line: Line, onStale: (ids: readonly string[]) => void) {
    this.#line = line
    this.#onStale = onStale
  }

  add(outcome: Outcome): void {
    this.#ended.push(outcome)
    this.#telling ??= this.#tell()
  }

  /** Resolves when all are told, or there is no way left to tell them. */
  async told(): Promise<void> {
    await this.#telling
  }

  async #tell(): Promise<void> {
    // What ends in the same moment goes together.
    await Promise.resolve()
    while (this.#ended.length > 0) {
      const some = this.#ended.splice(0, reportsMax)
      await this.#report(some).catch((error: NitkaError) => this.#failed(some, error))
    }
    // At once with the last look: what ends later is told anew.
    this.#telling = undefined
  }

  async #report(some: readonly Outcome[]): Promise<void> {
    const done = some.filter(({ reason }) => reason === undefined)
    const failed = some.filter(({ reason }) => reason !== undefined)
    const wish = { ...(done.length > 0 ? { done } : {}), ...(failed.length > 0 ? { failed } : {}) }
    const { outcomes = {} } = await this.#line.call<{ outcomes?: Record<string, string> }>(
      'tasks.report',
      wish,
      'safe',
      sendOptions({}),
    )
    const stale = Object.keys(outcomes).filter((id) => outcomes[id] === 'stale')
    if (stale.length > 0) this.#onStale(stale)
  }

  /** What may pass is told again; of the rest nobody but the application can be told. */
  async #failed(some: readonly Outcome[], error: NitkaError): Promise<void> {
    if (error.code === 'closed') return
    if (!error.retry) return this.#line.onError(error)
    await this.#line.pause()
    this.#ended.unshift(...some)
  }
}
