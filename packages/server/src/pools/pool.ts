// One pool in memory: its resources, who holds them, who waits. Rules alone: no clock, no store.

import { Fifo } from '../fifo.ts'

export interface Resource {
  readonly id: string
  data: unknown
  hold: Hold | undefined
  /** It goes when it is free. */
  removed: boolean
  /** It stands in the line of free ones, be it free or not: once at most. */
  listed: boolean
}

export interface Hold {
  /** 128 random bits, hex. */
  readonly id: string
  readonly pool: Pool
  readonly user: string
  readonly resources: readonly Resource[]
  /** 0 until it has one; nobody has heard of the hold before. */
  token: number
  /** Wall times. */
  readonly since: number
  until: number
  /** Monotonic: when it ends, and when it would if its connection had stayed. */
  ends: number
  full: number
  /** The connection that it ends with. */
  owner: object | undefined
  readonly detached: boolean
}

/** Waiters that gave up and that a line may always keep. */
const overMax = 1_000

export interface Waiter {
  readonly pool: Pool
  readonly user: string
  readonly owner: object
  readonly count: number
  readonly ttlMs: number
  readonly detached: boolean
  /** Monotonic. */
  readonly since: number
  readonly ends: number
  /** It was served, or gave up. */
  over: boolean
  readonly serve: (resources: readonly Resource[]) => void
  readonly refuse: (error: Error) => void
}

/** What a stored hold has of a resource that its pool no longer lists. */
export function removedResource(id: string): Resource {
  return { id, data: undefined, hold: undefined, removed: true, listed: false }
}

export class Pool {
  readonly name: string
  readonly resources = new Map<string, Resource>()
  readonly holds = new Set<Hold>()
  /** Free ones in the order in which they became free; those that are not any more are passed over. */
  readonly #free = new Fifo<Resource>()
  #freeCount = 0
  readonly #waiting = new Fifo<Waiter>()
  #over = 0

  constructor(name: string) {
    this.name = name
  }

  get free(): number {
    return this.#freeCount
  }

  get waiting(): number {
    return this.#waiting.size - this.#over
  }

  get empty(): boolean {
    return this.resources.size === 0 && this.waiting === 0
  }

  /** Adds a resource, or gives a known one new data; one that was to go stays. True: it is new. */
  add(id: string, data: unknown): boolean {
    const known = this.resources.get(id)
    if (known !== undefined) {
      known.data = data
      known.removed = false
      return false
    }
    const resource = { id, data, hold: undefined, removed: false, listed: false }
    this.resources.set(id, resource)
    this.putBack(resource)
    return true
  }

  /** Removes a resource: a free one now (true), one that is held when it is free again. */
  remove(resource: Resource): boolean {
    resource.removed = true
    if (resource.hold !== undefined) return false
    this.resources.delete(resource.id)
    this.#freeCount -= 1
    if (this.#free.size > 2 * this.#freeCount + 1_000) this.#forget()
    return true
  }

  /** A resource is free again. */
  putBack(resource: Resource): void {
    this.#freeCount += 1
    if (resource.listed) return
    resource.listed = true
    this.#free.push(resource)
  }

  /** Whether somebody who comes now may have `count` at once: nobody is ahead, and enough is free. */
  open(count: number): boolean {
    return this.waiting === 0 && this.#freeCount >= count
  }

  /** Takes free ones, those first that were free for longest. There must be enough. */
  take(count: number): Resource[] {
    const taken: Resource[] = []
    while (taken.length < count) {
      const resource = this.#free.shift()
      if (resource === undefined) break
      resource.listed = false
      if (resource.hold === undefined && !resource.removed && this.resources.get(resource.id) === resource) {
        taken.push(resource)
      }
    }
    this.#freeCount -= taken.length
    return taken
  }

  /** Drops what is passed over from the line of free ones. */
  #forget(): void {
    this.#free.keep((resource) => {
      resource.listed = resource.hold === undefined && this.resources.get(resource.id) === resource
      return resource.listed
    })
  }

  /** A free resource is held from now on: as the store says. */
  occupy(resource: Resource): void {
    if (this.resources.get(resource.id) === resource) this.#freeCount -= 1
  }

  wait(waiter: Waiter): void {
    this.#waiting.push(waiter)
  }

  /** A waiter gave up. */
  leave(waiter: Waiter): void {
    if (waiter.over) return
    waiter.over = true
    this.#over += 1
    if (this.#over < overMax || this.#over * 2 < this.#waiting.size) return
    this.#waiting.keep((one) => !one.over)
    this.#over = 0
  }

  /** The next one whose turn it is and for whom enough is free; taken out of the line. */
  next(): Waiter | undefined {
    for (let first = this.#waiting.first; first !== undefined; first = this.#waiting.first) {
      if (first.over) {
        this.#waiting.shift()
        this.#over -= 1
        continue
      }
      if (first.count > this.#freeCount) return undefined
      first.over = true
      return this.#waiting.shift()
    }
    return undefined
  }

  *inLine(): Generator<Waiter> {
    for (const waiter of this.#waiting) if (!waiter.over) yield waiter
  }
}
