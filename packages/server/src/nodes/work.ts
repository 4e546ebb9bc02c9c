// What one other node has asked of this one: worked on once each, and answered until the answer was heard.

import { NitkaError } from '@nitka/protocol'
import type { Clock } from '../world.ts'

/** What travels: a kind, the number of a question, and what belongs to it. */
export type Frame =
  | readonly ['ask', number, string, unknown, number]
  | readonly ['drop' | 'heard' | 'taken' | 'begun' | 'unknown' | 'forgotten', number]
  | readonly ['check', number, readonly number[]]
  | readonly ['answer', number, boolean, unknown]

/** Of a question, for whoever works on it. */
export interface Asker {
  /** The node that asks. */
  readonly node: string
  /** Tells it that work has begun. */
  begun(): void
  /** Called when the answer is wanted no more: it was dropped, or the node is gone. */
  onDrop: (() => void) | undefined
}

/** Answers a question: JSON, or throws the error that is to be told. Questions come in the order of their asking. */
export type Handler = (params: unknown, asker: Asker) => unknown

export type Answer = readonly [ok: boolean, value: unknown]

interface Job {
  readonly asker: Asker & { live: boolean }
  began: boolean
  answer: Answer | undefined
  answeredAt: number
  length: number
}

/** Answers that are kept until they were heard. */
const keptMax = 10_000
const keptCharactersMax = 16 * 1024 * 1024
const keptMs = 120_000

interface WorkParts {
  readonly node: string
  readonly send: (frame: Frame) => void
  readonly clock: Clock
  readonly onError: (error: unknown) => void
  readonly handlers: ReadonlyMap<string, Handler>
}

export class Work {
  readonly #parts: WorkParts
  readonly #jobs = new Map<number, Job>()
  /** Numbers that were seen, above `#settled`. */
  readonly #seen = new Set<number>()
  /** Up to here the other node wants nothing any more. */
  #settled = 0
  #kept = 0
  #characters = 0

  constructor(parts: WorkParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#jobs.size - this.#kept
  }

  take(frame: Frame): void {
    const [kind, number] = frame
    if (kind === 'ask') this.#ask(frame)
    else if (kind === 'heard') this.#forget(number)
    else if (kind === 'drop') this.#drop(number)
    else if (kind === 'check') for (const one of frame[2]) this.#say(one)
  }

  /** What nobody asked after for long is not kept. */
  forget(): void {
    const old = this.#parts.clock.monotonic() - keptMs
    for (const [number, { answer, answeredAt }] of this.#jobs) {
      if (answer === undefined) continue
      const tooMuch = this.#kept > keptMax || this.#characters > keptCharactersMax
      if (answeredAt <= old || tooMuch) this.#forget(number)
    }
  }

  /** The other node is gone. */
  end(): void {
    for (const { asker, answer } of this.#jobs.values()) if (answer === undefined) dropped(asker)
    this.#jobs.clear()
  }

  #ask([, number, name, params, oldest]: readonly ['ask', number, string, unknown, number]): void {
    this.#settle(oldest - 1)
    if (number <= this.#settled || this.#seen.has(number)) return this.#say(number)
    this.#seen.add(number)
    const { send, node, handlers } = this.#parts
    const job: Job = {
      asker: {
        node,
        live: true,
        begun: () => {
          if (!job.began && job.answer === undefined) {
            job.began = true
            send(['begun', number])
          }
        },
        onDrop: undefined,
      },
      ...{ began: false, answer: undefined, answeredAt: 0, length: 0 },
    }
    this.#jobs.set(number, job)
    const handler = handlers.get(name)
    if (handler === undefined) {
      this.#answer(number, job, refused(new NitkaError('not-found', `this node does not answer ${name}`)))
      return
    }
    this.#run(number, job, () => handler(params, job.asker))
  }

  #run(number: number, job: Job, run: () => unknown): void {
    const failed = (thrown: unknown): void => {
      if (!(thrown instanceof NitkaError)) this.#parts.onError(thrown)
      this.#answer(number, job, refused(thrown))
    }
    try {
      const result = run()
      if (result instanceof Promise) result.then((value) => this.#answer(number, job, [true, value]), failed)
      else this.#answer(number, job, [true, result])
    } catch (thrown) {
      failed(thrown)
    }
    if (job.answer === undefined) this.#parts.send(['taken', number])
  }

  #answer(number: number, job: Job, answer: Answer): void {
    if (this.#jobs.get(number) !== job) return
    job.answer = answer
    job.answeredAt = this.#parts.clock.monotonic()
    job.length = JSON.stringify(answer[1] ?? null).length
    this.#kept++
    this.#characters += job.length
    this.#parts.send(['answer', number, answer[0], answer[1] ?? null])
  }

  /** How the question stands. */
  #say(number: number): void {
    const { send } = this.#parts
    const job = this.#jobs.get(number)
    if (job?.answer !== undefined) send(['answer', number, job.answer[0], job.answer[1] ?? null])
    else if (job !== undefined) send([job.began ? 'begun' : 'taken', number])
    else if (number <= this.#settled || this.#seen.has(number)) send(['forgotten', number])
    else send(['unknown', number])
  }

  #drop(number: number): void {
    // A question that comes after its end is not begun.
    if (number > this.#settled) this.#seen.add(number)
    const job = this.#jobs.get(number)
    if (job === undefined) return
    const { answer } = job
    this.#forget(number)
    if (answer === undefined) dropped(job.asker)
  }

  #forget(number: number): void {
    const job = this.#jobs.get(number)
    if (job === undefined) return
    this.#jobs.delete(number)
    if (job.answer === undefined) return
    this.#kept--
    this.#characters -= job.length
  }

  /** Nothing up to `number` is asked after any more. */
  #settle(number: number): void {
    if (number <= this.#settled) return
    this.#settled = number
    // They came about in the order of their numbers; what did not goes the next time.
    for (const one of this.#seen) {
      if (one > number) break
      this.#seen.delete(one)
    }
    for (const [one, job] of this.#jobs) {
      if (one > number) break
      this.#forget(one)
      // The word that it is wanted no more was lost.
      if (job.answer === undefined) dropped(job.asker)
    }
  }
}

function dropped(asker: { live: boolean; onDrop: (() => void) | undefined }): void {
  if (!asker.live) return
  asker.live = false
  asker.onDrop?.()
}

function refused(thrown: unknown): Answer {
  if (!(thrown instanceof NitkaError)) return [false, { code: 'internal', message: 'another node failed' }]
  const { code, message, field } = thrown
  return [false, { code, message, ...(field === undefined ? {} : { field }) }]
}
