// Whether the other side still lives: when nothing was heard for a while it is asked, and must say something.

import type { World } from './world.ts'

export interface PulseTools {
  /** Asks for an answer within so many milliseconds. */
  readonly ping: (timeoutMs: number) => Promise<unknown>
  readonly dead: () => void
}

/** How long it may take when somebody just looked. */
const lookMs = 3_000

export class Pulse {
  readonly #world: World
  readonly #tools: PulseTools
  #heardAt = 0
  #texts = 0
  #pingMs = 0
  #pongMs = 0
  #asking: Promise<void> | undefined
  #running = 0
  #cancel: (() => void) | undefined

  constructor(world: World, tools: PulseTools) {
    this.#world = world
    this.#tools = tools
  }

  /** @param pingMs 0: never asks by itself */
  start(pingMs: number, pongMs: number): void {
    this.stop()
    this.#pingMs = pingMs
    this.#pongMs = pongMs
    this.#heardAt = this.#world.now()
    this.#watch()
  }

  stop(): void {
    this.#running++
    this.#asking = undefined
    this.#cancel?.()
    this.#cancel = undefined
  }

  heard(): void {
    this.#texts++
    this.#heardAt = this.#world.now()
  }

  /** Asks now. */
  look(): void {
    void this.#ask(Math.min(lookMs, this.#pongMs))
  }

  #watch(): void {
    if (this.#pingMs === 0) return
    const quietMs = this.#world.now() - this.#heardAt
    this.#cancel = this.#world.after(Math.max(this.#pingMs - quietMs, 1), async () => {
      const run = this.#running
      if (this.#world.now() - this.#heardAt >= this.#pingMs) await this.#ask(this.#pongMs)
      if (run === this.#running) this.#watch()
    })
  }

  /** Resolves when it was answered, or is known to be dead. One question at a time. */
  #ask(patienceMs: number): Promise<void> {
    this.#asking ??= this.#question(patienceMs)
    return this.#asking
  }

  async #question(patienceMs: number): Promise<void> {
    const run = this.#running
    const texts = this.#texts
    // Whatever it answers, it lives; and what came in its place is a sign of life too.
    await this.#tools.ping(patienceMs).catch(() => undefined)
    if (run !== this.#running) return
    this.#asking = undefined
    if (this.#texts === texts) this.#tools.dead()
  }
}
