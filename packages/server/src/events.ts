// What a program that the server is part of may listen to. Told at the end of a turn, so that a listener finds every
// service at rest, and one that throws stands in nobody's way. While nobody listens, nothing is made.

import type { CloseReason } from '@nitka/protocol'
import type { Transport } from './sessions/wire.ts'
import type { DeadLetter } from './tasks/views.ts'
import type { Clock } from './world.ts'

/** A connection that has just come. */
export interface Connected {
  /** Names the connection: 20 characters, never used again. */
  readonly session: string
  /** '' for nobody in particular. */
  readonly user: string
  /** What the client calls itself; '' when it says nothing. */
  readonly device: string
  readonly transport: Transport
}

/** A connection that has ended. */
export interface Disconnected extends Connected {
  /** Why the server ended it, as in docs/reference/errors.md; `gone`: it was the client, or the network. */
  readonly reason: CloseReason | 'gone'
  /** Whether the client said goodbye, as far as is known. */
  readonly clean: boolean
}

/** A message that is on disk. */
export interface Stored {
  /** 20 characters; within a log later messages have larger ones. */
  readonly id: string
  /** In the log of the receiver or of the room, from 1. */
  readonly offset: number
  /** Wall time, milliseconds since 1970. */
  readonly time: number
  /** Any JSON value. Parsed anew whenever it is read. */
  readonly message: unknown
  /** What the sender called it. */
  readonly clientId?: string
}

/** A message that is on disk. */
export type StoredMessage =
  | (Stored & { readonly kind: 'direct'; readonly from: string; readonly to: string })
  | (Stored & { readonly kind: 'system'; readonly to: string; readonly data: unknown })
  /** `from` is '' when the program sent it. */
  | (Stored & { readonly kind: 'room'; readonly from: string; readonly room: string })

/** By name, what a listener is told. */
export interface ServerEvents {
  /** A connection is open and its user is known. One that never says who it is, is never told. */
  readonly connected: Connected
  /** A connection whose user was known is over. Once each, also for those that a stop ends. */
  readonly disconnected: Disconnected
  /** A message was stored, once each: no repeat, no copy for the sender. Within a log (a user's, a room's) in its order. */
  readonly message: StoredMessage
  /** A task became a dead letter, which is on disk. Again when it was retried and fails again. */
  readonly 'dead-letter': DeadLetter
  /** The store failed: nothing more is confirmed, and the process should end. Once. */
  readonly fatal: { readonly cause: Error }
}

/** What `server.on` can be asked for. */
export type EventName = keyof ServerEvents

type Listener = (event: never) => unknown

export class Events {
  readonly #clock: Clock
  readonly #onError: (error: unknown, name: EventName) => void
  readonly #listeners = new Map<EventName, Set<{ readonly listener: Listener }>>()
  /** What happened in this turn, oldest first: bounded by what one turn can do. */
  #waiting: { readonly name: EventName; readonly event: ServerEvents[EventName] }[] = []

  /** @param onError told what listeners throw, and what their promises reject with */
  constructor(clock: Clock, onError: (error: unknown, name: EventName) => void) {
    this.#clock = clock
    this.#onError = onError
  }

  /** Tells a listener from now on, until the returned function is called; that may be called twice. */
  on<Name extends EventName>(name: Name, listener: (event: ServerEvents[Name]) => unknown): () => void {
    const mine = { listener: listener as Listener }
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners.add(mine))
    return () => void listeners.delete(mine)
  }

  /** @param make makes the event, if anybody listens */
  tell<Name extends EventName>(name: Name, make: () => ServerEvents[Name]): void {
    if ((this.#listeners.get(name)?.size ?? 0) === 0) return
    this.#waiting.push({ name, event: make() })
    if (this.#waiting.length === 1) this.#clock.soon(() => this.flush())
  }

  /** Tells what waits, now. */
  flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    // What one commit stored is heard of within a turn, not always in the order of the log; ids are in that order.
    const messages = waiting.flatMap(({ event }) => ('offset' in event ? [event] : [])).sort(byId)
    let next = 0
    for (const { name, event } of waiting) this.#hand(name, 'offset' in event ? (messages[next++] ?? event) : event)
  }

  #hand(name: EventName, event: ServerEvents[EventName]): void {
    for (const { listener } of [...(this.#listeners.get(name) ?? [])]) {
      try {
        const result = listener(event as never)
        if (result instanceof Promise) result.catch((error: unknown) => this.#onError(error, name))
      } catch (error) {
        this.#onError(error, name)
      }
    }
  }
}

function byId(a: StoredMessage, b: StoredMessage): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}
