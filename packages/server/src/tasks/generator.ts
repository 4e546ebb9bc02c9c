// Makes tasks by itself, for demonstrations and load: {"Period": 1…1000}, so many a second, while not too many wait.

import { isObject, NitkaError, parseJson, plainName } from '@nitka/protocol'
import type { Clock, Random, Timer } from '../world.ts'
import type { Tasks } from './tasks.ts'

/** Tasks that the server makes by itself. */
export interface GeneratorOptions {
  readonly queue: string
  /** Tasks a second. */
  readonly rate: number
  /** Nothing is made while so many are ready. */
  readonly backlog: number
}

/** The options as text, undefined for empty text. @throws NitkaError `invalid` */
export function readGenerator(text: string): GeneratorOptions | undefined {
  if (text === '') return undefined
  const value = parseJson(text)
  if (!isObject(value)) throw new NitkaError('invalid', 'generate must be {"queue":…,"rate":…,"backlog":…}')
  const { queue = 'default', rate = 1, backlog = 100, ...rest } = value
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw new NitkaError('invalid', `generate.${unknown} is not known here`)
  return {
    queue: plainName(queue, 'generate.queue'),
    rate: positive(rate, 'generate.rate', rateMax),
    backlog: positive(backlog, 'generate.backlog', backlogMax),
  }
}

/** @throws NitkaError `invalid` */
function positive(value: unknown, field: string, max: number): number {
  if (typeof value === 'number' && value > 0 && value <= max) return value
  throw new NitkaError('invalid', `${field} must be a number above 0 and at most ${max}`, { field })
}

const rateMax = 10_000
const backlogMax = 1_000_000
const tickMs = 100
const atOnceMax = 1_000

export class Generator {
  readonly #tasks: Tasks
  readonly #random: Random
  readonly #options: GeneratorOptions
  readonly #timer: Timer
  #owed = 0
  #adding: Promise<void> | undefined

  constructor(tasks: Tasks, world: { readonly clock: Clock; readonly random: Random }, options: GeneratorOptions) {
    this.#tasks = tasks
    this.#random = world.random
    this.#options = options
    this.#timer = world.clock.every(tickMs, () => this.#tick())
  }

  async close(): Promise<void> {
    this.#timer.cancel()
    await this.#adding
  }

  #tick(): void {
    const { queue, rate, backlog } = this.#options
    // What could not be made in time is not made up for beyond a second.
    this.#owed = Math.min(this.#owed + (rate * tickMs) / 1_000, Math.max(1, rate))
    if (this.#adding !== undefined) return
    const ready = this.#tasks.queues().find((one) => one.queue === queue)?.ready ?? 0
    const count = Math.min(Math.floor(this.#owed), backlog - ready, atOnceMax)
    if (count <= 0) return
    this.#owed -= count
    const wish = Array.from({ length: count }, () => ({
      queue,
      payload: { Period: 1 + Math.floor(this.#random.fraction() * 1_000) },
    }))
    this.#adding = this.#tasks
      .add(wish)
      .then(ignore, ignore)
      .finally(() => {
        this.#adding = undefined
      })
  }
}

function ignore(): void {
  // A full or failing store is told where others use it.
}
