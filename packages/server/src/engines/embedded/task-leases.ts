// The leases that run, in memory: by task, by worker, by the time at which they end. Time is the monotonic clock of this
// process; what a restart needs stands in the records of the claims.

import type { Attempt } from '../../tasks/task-store.ts'
import type { Lane, Queue } from './task-queue.ts'
import type { Held } from './task-records.ts'

/** One call of claim, as long as a lease of it runs. */
export interface Claim {
  readonly number: number
  readonly worker: string
  /** Leases of it that run. */
  live: number
}

export interface LiveLease {
  readonly id: string
  readonly queue: Queue
  readonly lane: Lane
  readonly held: Held
  readonly claim: Claim
  readonly attempt: number
  readonly token: string
  /** Wall times. */
  readonly started: number
  deadline: number
  /** By the monotonic clock. */
  ends: number
  leaseMs: number
  /** Whether it has a record besides its claim's. */
  kept: boolean
  progress: string | undefined
  notes: readonly Attempt[]
}

/** Leases that were to end at one moment when they were given. */
interface Group {
  readonly ends: number
  readonly leases: readonly LiveLease[]
}

export class Leases {
  readonly #byId = new Map<string, LiveLease>()
  readonly #byWorker = new Map<string, Set<LiveLease>>()
  /** A binary heap, the earliest first. Leases that ended stay in their group until its time, or until they are too many. */
  #heap: Group[] = []
  /** Leases in the heap, ended ones included. */
  #inHeap = 0

  get(id: string): LiveLease | undefined {
    return this.#byId.get(id)
  }

  get size(): number {
    return this.#byId.size
  }

  /** Leases that the heap refers to, ended ones included: bounded by those that run. */
  get kept(): number {
    return this.#inHeap
  }

  all(): Iterable<LiveLease> {
    return this.#byId.values()
  }

  of(worker: string): ReadonlySet<LiveLease> {
    return this.#byWorker.get(worker) ?? none
  }

  /** Adds the leases of one claim. */
  add(leases: readonly LiveLease[]): void {
    for (const lease of leases) {
      this.#byId.set(lease.id, lease)
      const worker = lease.claim.worker
      const own = this.#byWorker.get(worker)
      if (own === undefined) this.#byWorker.set(worker, new Set([lease]))
      else own.add(lease)
    }
    const first = leases[0]
    if (first === undefined) return
    if (leases.every((lease) => lease.ends === first.ends)) return this.#push({ ends: first.ends, leases })
    for (const lease of leases) this.#push({ ends: lease.ends, leases: [lease] })
  }

  remove(lease: LiveLease): void {
    this.#byId.delete(lease.id)
    const own = this.#byWorker.get(lease.claim.worker)
    own?.delete(lease)
    if (own?.size === 0) this.#byWorker.delete(lease.claim.worker)
  }

  extend(lease: LiveLease, ends: number): void {
    lease.ends = ends
    this.#push({ ends, leases: [lease] })
  }

  /** When the next one ends. Forgets groups of which nothing runs any more. */
  get nextEnd(): number | undefined {
    for (;;) {
      const top = this.#heap[0]
      if (top === undefined) return undefined
      if (top.leases.some((lease) => this.#runs(lease) && lease.ends <= top.ends)) return top.ends
      this.#pop()
    }
  }

  /** Takes leases that have ended by `now` out of the heap, a few more than `count` at most; they run on until removed. */
  takeEnded(now: number, count: number): readonly LiveLease[] {
    const ended: LiveLease[] = []
    for (let end = this.nextEnd; end !== undefined && end <= now && ended.length < count; end = this.nextEnd) {
      for (const lease of this.#pop()?.leases ?? []) if (this.#runs(lease) && lease.ends <= now) ended.push(lease)
    }
    return ended
  }

  /** Whether the lease runs. */
  has(lease: LiveLease): boolean {
    return this.#runs(lease)
  }

  #runs(lease: LiveLease): boolean {
    return this.#byId.get(lease.id) === lease
  }

  #push(group: Group): void {
    if (this.#inHeap > 4 * this.#byId.size + spareMax) this.#compact()
    this.#inHeap += group.leases.length
    const heap = this.#heap
    let at = heap.length
    heap.push(group)
    while (at > 0) {
      const up = (at - 1) >>> 1
      const parent = heap[up]
      if (parent === undefined || parent.ends <= group.ends) break
      heap[at] = parent
      at = up
    }
    heap[at] = group
  }

  /** Long leases that are settled early would be kept until their time. Costs as much as there is, once in as many leases. */
  #compact(): void {
    const groups = this.#heap
    this.#heap = []
    this.#inHeap = 0
    for (const { ends, leases } of groups) {
      const running = leases.filter((lease) => this.#runs(lease) && lease.ends === ends)
      if (running.length > 0) this.#push({ ends, leases: running })
    }
  }

  #pop(): Group | undefined {
    const heap = this.#heap
    const top = heap[0]
    this.#inHeap -= top?.leases.length ?? 0
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return top
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const [one, other] = [heap[left], heap[left + 1]]
      if (one === undefined) break
      const child = other !== undefined && other.ends < one.ends ? left + 1 : left
      const smaller = heap[child]
      if (smaller === undefined || smaller.ends >= last.ends) break
      heap[at] = smaller
      at = child
    }
    heap[at] = last
    return top
  }
}

const none: ReadonlySet<LiveLease> = new Set()

/** Ended leases that the heap may always keep. */
const spareMax = 4_096
