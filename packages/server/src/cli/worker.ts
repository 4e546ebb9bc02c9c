// The demonstration worker's rules: what it takes, how long it works, how it fails, when it reports.

import { isObject } from '@nitka/protocol'
import type { Clock, World } from '../world.ts'
import type { StreamEvent } from './event-stream.ts'
import { printable } from './server-call.ts'

/** Periods above these make a task's handler throw, and its worker exit. Milliseconds. */
const throwsAboveMs = 800
const exitsAboveMs = 900
/** No sleep is longer: it would only keep a worker that is going to exit from doing so, and its batch unreported. */
const sleepMaxMs = 1_000
const smallestBatch = 2
const largestBatch = 10
/** How often it tries to report one batch, and the wait between them: doubled each time, of random length. About a minute in all. */
const reportTries = 12
const reportWaitMs = 250
const reportWaitMaxMs = 10_000

export interface WorkerPorts {
  /** Posts the ids. Rejects when it is not known that they arrived. */
  readonly report: (ids: readonly string[]) => Promise<void>
  /** Whether a rejected report may arrive when it is repeated. */
  readonly passing: (error: unknown) => boolean
  /** One line for the log. */
  readonly log: (line: string) => void
  /** Ends the process, at once, as a crash would. */
  readonly crash: () => void
}

interface Work {
  readonly id: string
  readonly attempt: number
  readonly periodMs: number
  /** Its lease ended, so that for the server it does not count as this worker's any more. */
  lost: boolean
  ended: boolean
}

/** A batch size at random, as the demonstration wants it: 2 to 10. */
export function drawBatch(fraction: number): number {
  return smallestBatch + Math.floor(fraction * (largestBatch - smallestBatch + 1))
}

export class Worker {
  readonly #batch: number
  readonly #clock: Clock
  readonly #fraction: () => number
  readonly #ports: WorkerPorts
  /** What was started and is not reported yet. */
  #works: Work[] = []
  #stopping = false
  #reporting = 0
  readonly #waiting = new Set<{ readonly until: () => boolean; readonly resolve: () => void }>()

  /** @param batch how many tasks it has unsettled at one time, at most */
  constructor(batch: number, world: World, ports: WorkerPorts) {
    this.#batch = batch
    this.#clock = world.clock
    this.#fraction = () => world.random.fraction()
    this.#ports = ports
  }

  /** Takes an event of the stream. One that it cannot read is logged and left. */
  receive({ type, data }: StreamEvent): void {
    const event = readEvent(data)
    if (event === undefined) this.#ports.log(`an event that is no task: ${printable(data.slice(0, 200))}`)
    else if (type === 'message') this.#take(event)
    else if (type === 'lease-lost') this.#lose(event)
  }

  /**
   * Takes nothing more. Resolves when what runs has ended and is reported, or that was given up.
   * @param drained runs just before the last report, so that the stream can be closed before the server sends more
   */
  async stop(drained: () => void): Promise<void> {
    this.#stopping = true
    await this.#until(() => !this.#working)
    drained()
    this.#report()
    await this.#until(() => this.#reporting === 0)
  }

  get #working(): boolean {
    return this.#works.some(({ ended }) => !ended)
  }

  #take({ id, attempt, periodMs }: TaskEvent): void {
    const work: Work = { id, attempt, periodMs, lost: false, ended: false }
    const unsettled = this.#works.filter(({ lost }) => !lost).length
    if (this.#stopping) this.#log(work, 'refused: this worker is stopping')
    else if (unsettled >= this.#batch) this.#log(work, `refused: ${unsettled} of ${this.#batch} are unsettled`)
    else void this.#run(work)
  }

  async #run(work: Work): Promise<void> {
    this.#works.push(work)
    this.#log(work, `started, Period ${work.periodMs}`)
    try {
      await this.#handle(work.periodMs)
      this.#log(work, 'ended')
    } catch (error) {
      this.#log(work, `failed: ${(error as Error).message}`)
    }
    work.ended = true
    if (!this.#stopping && !this.#working) this.#report()
    this.#wake()
  }

  /** The handler of a task. @throws Error by chance of its Period, as handlers do */
  async #handle(periodMs: number): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.after(Math.min(periodMs, sleepMaxMs), resolve))
    if (periodMs > exitsAboveMs) {
      this.#ports.log(`Period ${periodMs} is over ${exitsAboveMs}: the whole worker ends`)
      this.#ports.crash()
      await new Promise(never)
    }
    if (periodMs > throwsAboveMs) throw new Error(`Period ${periodMs} is over ${throwsAboveMs}`)
  }

  #lose({ id, attempt, because }: TaskEvent): void {
    const work = this.#works.find((one) => one.id === id && one.attempt === attempt)
    if (work !== undefined) work.lost = true
    this.#ports.log(`task ${printable(id)} attempt ${attempt} lease lost: ${printable(because)}`)
  }

  /** The next batch may come before the answer to this report does, so what is being reported does not count any more. */
  #report(): void {
    const ids = [...new Set(this.#works.map(({ id }) => id))]
    this.#works = []
    if (ids.length === 0) return
    this.#reporting++
    void this.#post(ids).finally(() => {
      this.#reporting--
      this.#wake()
    })
  }

  async #post(ids: readonly string[]): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#ports.report(ids)
        this.#ports.log(`reported ${ids.length}: ${printable(ids.join(' '))}`)
        return
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        if (tries === reportTries || !this.#ports.passing(error)) {
          this.#ports.log(`not reported, and given up: ${why}`)
          return
        }
        const most = Math.min(reportWaitMaxMs, reportWaitMs * 2 ** (tries - 1))
        const waitMs = Math.round((most / 2) * (1 + this.#fraction()))
        this.#ports.log(`not reported: ${why}; again in ${waitMs} ms`)
        await new Promise<void>((resolve) => this.#clock.after(waitMs, resolve))
      }
    }
  }

  #log({ id, attempt }: Work, what: string): void {
    this.#ports.log(`task ${printable(id)} attempt ${attempt} ${what}`)
  }

  #until(until: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add({ until, resolve })
      this.#wake()
    })
  }

  #wake(): void {
    for (const one of this.#waiting) {
      if (!one.until()) continue
      this.#waiting.delete(one)
      one.resolve()
    }
  }
}

function never(): void {
  // What comes after a crash does not happen.
}

interface TaskEvent {
  readonly id: string
  readonly attempt: number
  readonly periodMs: number
  readonly because: string
}

/** Undefined: not the JSON of a task. A Period that is missing or no number of milliseconds is 0. */
function readEvent(data: string): TaskEvent | undefined {
  let event: unknown
  try {
    event = JSON.parse(data)
  } catch {
    return undefined
  }
  if (!isObject(event) || typeof event.Id !== 'string' || event.Id === '') return undefined
  const { Period, Attempt, Because } = event
  return {
    id: event.Id,
    attempt: typeof Attempt === 'number' ? Attempt : 1,
    periodMs: typeof Period === 'number' && Period > 0 ? Period : 0,
    because: String(Because),
  }
}
