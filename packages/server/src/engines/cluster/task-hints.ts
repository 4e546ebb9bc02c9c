// What nodes tell each other about tasks: queues that may have something to claim, leases that ended. Gathered for a turn.
// Whatever is lost, the sweep finds.

import { isObject } from '@nitka/protocol'
import type { Bus, BusSubscription } from '../../bus.ts'
import type { Ended } from '../../tasks/task-store.ts'
import type { Clock } from '../../world.ts'

const readySubject = 'tasks.ready'
const endedSubject = 'tasks.ended'
/** In one message: reasons may be long. */
const endedPerMessage = 200
/** Waiting for the end of the turn. More are left to the sweep. */
const endedMax = 10_000

interface HintsParts {
  readonly bus: Bus
  readonly clock: Clock
  /** Another node made something of these queues ready. */
  readonly onReady: (queues: readonly string[]) => void
  /** Another node ended these leases, of any node's workers. */
  readonly onEnded: (ended: readonly Ended[]) => void
}

export class TaskHints {
  readonly #parts: HintsParts
  readonly #subscriptions: readonly BusSubscription[]
  /** Queues there are: bounded as those. */
  readonly #ready = new Set<string>()
  #ended: Ended[] = []
  #planned = false

  constructor(parts: HintsParts) {
    this.#parts = parts
    const { bus, onReady, onEnded } = parts
    this.#subscriptions = [
      bus.subscribe(readySubject, (bytes) => onReady(listOf(bytes).filter((one) => typeof one === 'string'))),
      bus.subscribe(endedSubject, (bytes) => onEnded(listOf(bytes).filter(isEnded))),
    ]
  }

  ready(queue: string): void {
    if (this.#parts.bus.alone) return
    this.#ready.add(queue)
    this.#plan()
  }

  ended(ended: Ended): void {
    if (this.#parts.bus.alone || this.#ended.length === endedMax) return
    this.#ended.push(ended)
    this.#plan()
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.cancel()
  }

  #plan(): void {
    if (this.#planned) return
    this.#planned = true
    this.#parts.clock.soon(() => {
      this.#planned = false
      const ended = this.#ended
      this.#ended = []
      for (let i = 0; i < ended.length; i += endedPerMessage) {
        this.#publish(endedSubject, ended.slice(i, i + endedPerMessage))
      }
      if (this.#ready.size > 0) this.#publish(readySubject, [...this.#ready])
      this.#ready.clear()
    })
  }

  #publish(subject: string, list: readonly unknown[]): void {
    this.#parts.bus.publish(subject, Buffer.from(JSON.stringify(list)))
  }
}

/** What cannot be read was damaged on its way, or is another version's: then there is nothing to hear. */
function listOf(bytes: Uint8Array): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}

/** How it ended may be a way that only a newer node knows; the sweep says that it did. */
function isEnded(value: unknown): value is Ended {
  return isObject(value) && typeof value.id === 'string' && ways.has(value.how as Ended['how'])
}

const ways: ReadonlySet<Ended['how']> = new Set(['done', 'failed', 'expired', 'released', 'buried'])
