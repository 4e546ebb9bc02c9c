// The bus of one process: endpoints of one hub hear each other. A server alone has one endpoint and hears nothing; tests
// put several nodes on one hub. Promises as little as the real wire: delivery is asynchronous, and a handler that throws
// harms nobody.

import type { Bus, BusSubscription } from '../../bus.ts'

type Handler = (bytes: Uint8Array) => void

/** Joins the nodes of one process. */
export class InProcessHub {
  readonly #nodes = new Set<InProcessBus>()

  /** A new endpoint. What it publishes reaches all other endpoints, never itself. */
  node(): Bus {
    const node = new InProcessBus(this)
    this.#nodes.add(node)
    return node
  }

  /** Offers `bytes` to every endpoint but `from`. */
  offer(from: InProcessBus, subject: string, bytes: Uint8Array): void {
    for (const node of this.#nodes) {
      if (node !== from && node.hears(subject)) queueMicrotask(() => node.deliver(subject, bytes))
    }
  }

  get size(): number {
    return this.#nodes.size
  }

  leave(node: InProcessBus): void {
    this.#nodes.delete(node)
  }
}

class InProcessBus implements Bus {
  readonly #hub: InProcessHub
  readonly #handlers = new Map<string, Set<Handler>>()
  #open = true

  constructor(hub: InProcessHub) {
    this.#hub = hub
  }

  get healthy(): boolean {
    return this.#open
  }

  get alone(): boolean {
    return this.#hub.size === 1
  }

  publish(subject: string, bytes: Uint8Array): void {
    // A copy: the publisher may reuse its buffer before the microtask runs.
    if (this.#open) this.#hub.offer(this, subject, bytes.slice())
  }

  subscribe(subject: string, handler: Handler): BusSubscription {
    // A closure of its own, so that the same handler subscribed twice is called twice and cancelled once.
    const own: Handler = (bytes) => handler(bytes)
    const handlers = this.#handlers.get(subject) ?? new Set()
    handlers.add(own)
    this.#handlers.set(subject, handlers)
    return { cancel: () => this.#cancel(subject, own) }
  }

  hears(subject: string): boolean {
    return this.#handlers.has(subject)
  }

  deliver(subject: string, bytes: Uint8Array): void {
    for (const handler of this.#handlers.get(subject) ?? []) {
      try {
        handler(bytes)
      } catch {
        // The port forbids handlers to throw; one that does must not keep the others from hearing.
      }
    }
  }

  async close(): Promise<void> {
    this.#open = false
    this.#handlers.clear()
    this.#hub.leave(this)
  }

  #cancel(subject: string, handler: Handler): void {
    const handlers = this.#handlers.get(subject)
    if (handlers?.delete(handler) === true && handlers.size === 0) this.#handlers.delete(subject)
  }
}
