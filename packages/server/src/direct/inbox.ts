// The inbox: a user's undelivered messages and the plain connections that may take them. Owns who is handed what is
// pending, so that two connections never race for it: one takes it, the others wait until it has caught up, and take
// over what it could not write. What comes later goes to all.
//
// What counts as delivered is a cursor in the user's log: `written` moves when a socket took the message; once a client
// has confirmed anything, only `confirmed` counts.

import type { Encoder, Recipient } from '../fanout/recipient.ts'
import type { LogMessage } from '../log/feed.ts'
import type { Log } from '../log/log.ts'
import type { Cursor } from '../log/log-store.ts'
import type { Subscription } from '../log/subscription.ts'
import type { Clock, Timer } from '../world.ts'
import { logOf } from './messages.ts'

/** How long a connection that does not read may keep the others waiting for what is pending. */
const turnMs = 1_000
/** And one that reads, however slowly. */
const turnMaxMs = 10_000

const nothing = new Uint8Array(0)

/** The cursors of a device ('' for clients that name none). */
function deviceCursors(device: string): { written: string; confirmed: string } {
  return { written: `written:${device}`, confirmed: `confirmed:${device}` }
}

/** What a connection that keeps its own position holds of its inbox. */
interface Held {
  readonly took: (offset: number) => void
  /** The offset after which everything is still to be delivered to this device. */
  readonly pendingAfter: () => Promise<number>
  readonly release: () => void
}

export class Inbox {
  readonly user: string
  readonly #log: Log
  readonly #clock: Clock
  readonly #onEmpty: () => void
  readonly #devices = new Map<string, DeviceInbox>()

  constructor(user: string, log: Log, clock: Clock, onEmpty: () => void) {
    this.user = user
    this.#log = log
    this.#clock = clock
    this.#onEmpty = onEmpty
  }

  open(device: string, recipient: Recipient, encoder: Encoder<LogMessage>): Place {
    return this.#device(device).open(recipient, encoder)
  }

  /** A connection that keeps its own position: it only says what its socket took, until `release`. */
  hold(device: string): Held {
    return this.#device(device).hold()
  }

  /** The device has everything up to `offset`. Never moves back. Resolves when durable. */
  confirm(device: string, offset: number): Promise<void> {
    return this.#device(device).confirm(offset)
  }

  #device(device: string): DeviceInbox {
    let inbox = this.#devices.get(device)
    if (inbox === undefined) {
      inbox = new DeviceInbox(this.user, device, this.#log, this.#clock, () => {
        this.#devices.delete(device)
        if (this.#devices.size === 0) this.#onEmpty()
      })
      this.#devices.set(device, inbox)
    }
    return inbox
  }
}

/** What is pending for one device of a user: connections that name no device share one. */
class DeviceInbox {
  readonly #user: string
  readonly #device: string
  readonly #log: Log
  readonly #clock: Clock
  readonly #onEmpty: () => void
  readonly #places = new Set<Place>()
  #holders = 0
  readonly #loaded: Promise<void>
  /** Everything up to here has been taken by some socket. */
  #written = 0
  /** Everything up to here was confirmed; undefined while nobody ever confirmed. */
  #confirmed: number | undefined
  /** Cursor writes under way: until they are done this object knows better than the store. */
  #moving = 0
  #saving = false
  /** Another object may stand for this device by now. */
  #forgotten = false
  #turn: Place | undefined
  readonly #queue: Place[] = []

  constructor(user: string, device: string, log: Log, clock: Clock, onEmpty: () => void) {
    this.#user = user
    this.#device = device
    this.#log = log
    this.#clock = clock
    this.#onEmpty = onEmpty
    this.#loaded = this.#load()
    // Whoever waits for it is told; a failure that nobody waits for is no crash.
    this.#loaded.catch(ignore)
  }

  open(recipient: Recipient, encoder: Encoder<LogMessage>): Place {
    const place = new Place(this, recipient, encoder, this.#clock)
    this.#places.add(place)
    this.#queue.push(place)
    this.#loaded.then(() => this.#nextTurn(), place.fail)
    return place
  }

  hold(): Held {
    this.#holders++
    let held = true
    const release = (): void => {
      if (!held) return
      held = false
      this.#holders--
      this.#settle()
    }
    const pendingAfter = async (): Promise<number> => {
      await this.#loaded
      return this.#pendingAfter
    }
    return { took: (offset) => void this.#loaded.then(() => this.#took(offset), ignore), pendingAfter, release }
  }

  /** What was delivered, as far as this client's way of telling says. */
  get #pendingAfter(): number {
    return this.#confirmed ?? this.#written
  }

  /** Where a connection that comes now begins: after what was delivered. */
  begin(place: Place): Subscription {
    const from = this.#pendingAfter
    const { recipient, encoder } = place
    const events = {
      taken: (offset: number) => this.#took(offset),
      // What it was handed counts as delivered once its socket has taken it: before that the next one would get it too.
      live: () => recipient.deliver(nothing, () => this.turnOver(place)),
      failed: place.fail,
    }
    return this.#log.follow(logOf(this.#user), from, { recipient, encoder, events })
  }

  /** The place has caught up, does not read, or is gone: the next one may begin. */
  turnOver(place: Place): void {
    if (this.#turn !== place) return
    this.#turn = undefined
    place.turnEnded()
    this.#nextTurn()
  }

  leave(place: Place): void {
    if (!this.#places.delete(place)) return
    const queued = this.#queue.indexOf(place)
    if (queued >= 0) this.#queue.splice(queued, 1)
    this.turnOver(place)
    this.#settle()
  }

  /** The newest offset that was handed to this device before, on whichever connection. */
  async known(): Promise<number> {
    await this.#loaded
    return Math.max(this.#written, this.#confirmed ?? 0)
  }

  async confirm(offset: number): Promise<void> {
    const { release } = this.hold()
    try {
      // What was stored before must not come over it.
      await this.#loaded
      if (offset > (this.#confirmed ?? -1)) this.#confirmed = offset
      await this.#move(deviceCursors(this.#device).confirmed, offset)
    } finally {
      release()
    }
  }

  async #load(): Promise<void> {
    const log = logOf(this.#user)
    const names = deviceCursors(this.#device)
    const [written, confirmed] = await Promise.all([
      this.#log.store.cursors(log, names.written),
      this.#log.store.cursors(log, names.confirmed),
    ])
    this.#written = exactly(written, names.written)?.offset ?? 0
    this.#confirmed = exactly(confirmed, names.confirmed)?.offset
  }

  #nextTurn(): void {
    if (this.#turn !== undefined) return
    this.#turn = this.#queue.shift()
    this.#turn?.begin()
  }

  #took(offset: number): void {
    if (offset <= this.#written) return
    this.#written = offset
    if (!this.#saving) void this.#saveWritten()
  }

  /** One cursor write at a time, each carrying the newest position. What a crash loses of it comes a second time. */
  async #saveWritten(): Promise<void> {
    this.#saving = true
    const name = deviceCursors(this.#device).written
    for (let saved = -1; saved < this.#written; ) {
      saved = this.#written
      const stored = await this.#move(name, saved).then(
        () => true,
        () => false,
      )
      // A failing store ends the process; until then what was written simply stays pending.
      if (!stored) break
    }
    this.#saving = false
    this.#settle()
  }

  async #move(name: string, offset: number): Promise<void> {
    this.#moving++
    try {
      await this.#log.store.move([{ log: logOf(this.#user), name, offset, time: this.#clock.now() }])
    } finally {
      this.#moving--
      this.#settle()
    }
  }

  #settle(): void {
    const idle = this.#moving === 0 && !this.#saving
    if (this.#forgotten || this.#places.size > 0 || this.#holders > 0 || !idle) return
    this.#forgotten = true
    this.#onEmpty()
  }
}

/** One plain connection's place in its inbox. */
export class Place {
  readonly recipient: Recipient
  readonly encoder: Encoder<LogMessage>
  onFailed: ((error: unknown) => void) | undefined
  readonly #inbox: DeviceInbox
  readonly #clock: Clock
  #subscription: Subscription | undefined
  #timer: Timer | undefined
  #closed = false

  constructor(inbox: DeviceInbox, recipient: Recipient, encoder: Encoder<LogMessage>, clock: Clock) {
    this.#inbox = inbox
    this.recipient = recipient
    this.encoder = encoder
    this.#clock = clock
  }

  begin(): void {
    if (this.#closed) return this.#inbox.turnOver(this)
    this.#subscription = this.#inbox.begin(this)
    this.#watchTurn(this.#clock.monotonic() + turnMaxMs)
    this.#subscription.start()
  }

  turnEnded(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** The newest offset that this connection was sent, or its device before. */
  async sentOffset(): Promise<number> {
    return Math.max(this.#subscription?.position ?? 0, await this.#inbox.known())
  }

  confirm(offset: number): Promise<void> {
    return this.#inbox.confirm(offset)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.turnEnded()
    this.#subscription?.close()
    this.#inbox.leave(this)
  }

  /** The turn is over when the socket takes nothing for a while, or at `end`. */
  #watchTurn(end: number): void {
    const { taken } = this.recipient
    const look = (): void => {
      if (this.#timer === undefined) return
      if (this.recipient.taken === taken || this.#clock.monotonic() >= end) this.#inbox.turnOver(this)
      else this.#watchTurn(end)
    }
    // At the end of a turn of the event loop: after this process stood still, what was taken meanwhile has been seen by then.
    this.#timer = this.#clock.after(turnMs, () => this.#clock.soon(look))
  }

  readonly fail = (error: unknown): void => {
    if (!this.#closed) this.onFailed?.(error)
  }
}

function exactly(cursors: readonly Cursor[], name: string): Cursor | undefined {
  return cursors.find((cursor) => cursor.name === name)
}

function ignore(): void {
  // The store failed: the process is about to end, and what was written stays pending.
}
