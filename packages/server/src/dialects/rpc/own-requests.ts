// What one connection asks, and what it answers for others.

import { NitkaError } from '@nitka/protocol'
import type { Asked, Outcome, RequestContext } from '../../requests/request.ts'
import type { Requests } from '../../requests/requests.ts'
import type { Session } from '../../sessions/session.ts'
import { notification } from './encoders.ts'

/** A request that this connection answers. */
interface Remote {
  readonly type: string
  readonly resolve: (result: unknown) => void
  readonly reject: (error: NitkaError) => void
}

export class OwnRequests {
  readonly #asked = new Set<Asked>()
  /** By type: how to stop. */
  readonly #types = new Map<string, () => void>()
  readonly #remote = new Map<number, Remote>()
  #ids = 0
  readonly #session: Session
  readonly #requests: Requests

  constructor(session: Session, requests: Requests) {
    this.#session = session
    this.#requests = requests
  }

  ask(type: string, payload: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      let asked: Asked | undefined
      let answered = false
      const answer = (outcome: Outcome): void => {
        answered = true
        if (asked !== undefined) this.#asked.delete(asked)
        if ('error' in outcome) reject(outcome.error)
        else resolve(outcome.result)
      }
      asked = this.#requests.ask({ type, payload, user: this.#session.user }, { answer })
      if (!answered) this.#asked.add(asked)
    })
  }

  execute(type: string, concurrency: number): void {
    if (this.#types.has(type)) {
      throw new NitkaError('conflict', `this connection answers ${type} already`, { field: 'type' })
    }
    const run = (payload: unknown, context: RequestContext): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const id = ++this.#ids
        this.#remote.set(id, { type, resolve, reject })
        this.#session.intake.owe(1)
        context.signal.addEventListener('abort', () => {
          if (this.#remote.delete(id)) this.#session.intake.owe(-1)
          this.#session.reply(notification('requests.cancel', JSON.stringify({ id, type })))
        })
        this.#session.reply(notification('requests.execute', JSON.stringify({ id, type, payload, user: context.user })))
      })
    this.#types.set(type, this.#requests.handle(type, run, { concurrency }))
  }

  stop(type: string): void {
    this.#types.get(type)?.()
    this.#types.delete(type)
  }

  /** False: nobody waits for it. */
  result(id: number, outcome: { readonly result?: unknown; readonly error?: string }): boolean {
    const remote = this.#remote.get(id)
    if (remote === undefined) return false
    this.#remote.delete(id)
    this.#session.intake.owe(-1)
    if (outcome.error === undefined) remote.resolve(outcome.result ?? null)
    else remote.reject(new NitkaError('failed', outcome.error))
    return true
  }

  /** What waits is dropped, what it answered fails, and the types go to the next. */
  close(): void {
    for (const asked of this.#asked) asked.drop()
    this.#asked.clear()
    for (const stop of this.#types.values()) stop()
    this.#types.clear()
    for (const { type, reject } of this.#remote.values()) {
      reject(
        new NitkaError('failed', `the executor of ${type} was lost while it worked on this; whether it did is unknown`),
      )
    }
    this.#remote.clear()
  }
}
