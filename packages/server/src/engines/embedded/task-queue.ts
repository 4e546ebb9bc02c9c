// One queue in memory: its settings and counts, its lanes, the ring in which they are served. A lane is a group's tasks;
// those without a group share one lane without limits. Counts are durable: each changed one is written once per batch.

import type { QueueCounts, QueueSettings } from '../../tasks/task-store.ts'
import { LastMinute } from '../last-minute.ts'
import type { Draft } from './draft.ts'
import { spaces } from './keys.ts'
import { Line, type Placed } from './task-line.ts'
import { delayedPrefix, laneKey, queueKey, readyPrefix } from './task-records.ts'
import { Parts } from './values.ts'
import type { Writer } from './writer.ts'

/** Groups of a queue with tasks at one time. */
export const groupsMax = 100_000
/** A reading of a lane takes in so many tasks at least, and of all lanes together about so many. */
const aheadMin = 16
const aheadAll = 4_096
/** The counts look for the oldest task in so many lanes. */
const lanesLooked = 1_000

export class Lane {
  readonly name: string
  readonly ready: Line
  leased = 0
  /** Failed tasks that wait for their next attempt. */
  retrying = 0
  inRing = false
  changed = false

  constructor(name: string, ready: Line, retrying = 0) {
    this.name = name
    this.ready = ready
    this.retrying = retrying
  }

  get empty(): boolean {
    return this.ready.count + this.leased + this.retrying === 0
  }

  write(writer: Writer): void {
    writer.number(this.ready.count)
    writer.number(this.retrying)
    writer.number(this.ready.low.major)
    writer.number(this.ready.low.minor)
  }

  static read(queue: string, name: string, body: Buffer): Lane {
    const parts = new Parts(body)
    const [count, retrying, major, minor] = [parts.number(), parts.number(), parts.number(), parts.number()]
    return new Lane(name, new Line(readyPrefix(queue, name), count, { major, minor }), retrying)
  }
}

export class Queue {
  readonly name: string
  readonly lanes = new Map<string, Lane>()
  readonly delayed: Line
  paused = false
  groupConcurrency = 0
  ordered = false
  /** Arrivals so far. */
  seq = 0
  ready = 0
  leased = 0
  dead = 0
  done = 0
  #changed = false
  /** Tasks that the claims of the next batch ask for. */
  #wanted = 0
  /** Those that have something to claim, in the order in which they are served. */
  #ring: Lane[] = []
  #turn = 0
  readonly #settled = new LastMinute()

  constructor(name: string, delayed = new Line(delayedPrefix(name))) {
    this.name = name
    this.delayed = delayed
  }

  static read(name: string, body: Buffer): Queue {
    const parts = new Parts(body)
    const [seq, dead, done] = [parts.number(), parts.number(), parts.number()]
    const [count, major, minor] = [parts.number(), parts.number(), parts.number()]
    const queue = new Queue(name, new Line(delayedPrefix(name), count, { major, minor }))
    const [groupConcurrency, flags] = [parts.number(), parts.byte()]
    return Object.assign(queue, { seq, dead, done, groupConcurrency, paused: flags % 2 === 1, ordered: flags >= 2 })
  }

  /** The record is to be written with this batch. */
  change(draft: Draft): void {
    if (this.#changed) return
    this.#changed = true
    draft.atEnd(() => {
      this.#changed = false
      const { writer } = draft
      writer.room(300 + this.name.length * 3)
      writer.bytes(queueKey(this.name))
      writer.beginValue()
      for (const number of [this.seq, this.dead, this.done, this.delayed.count]) writer.number(number)
      writer.number(this.delayed.low.major)
      writer.number(this.delayed.low.minor)
      writer.number(this.groupConcurrency)
      writer.byte((this.paused ? 1 : 0) + (this.ordered ? 2 : 0))
      draft.writes.push(writer.endRecord())
    })
  }

  /** The lane's record is to be written, or deleted when nothing of the lane is left. */
  changeLane(draft: Draft, lane: Lane): void {
    if (lane.changed) return
    lane.changed = true
    draft.atEnd(() => {
      lane.changed = false
      if (lane.empty && this.lanes.get(lane.name) === lane) this.lanes.delete(lane.name)
      const at = laneKey(this.name, lane.name)
      if (lane.ready.count + lane.retrying === 0) return draft.deleteKey(at)
      const { writer } = draft
      writer.room(300 + at.length)
      writer.bytes(at)
      writer.beginValue()
      lane.write(writer)
      draft.writes.push(writer.endRecord())
    })
  }

  lane(name: string): Lane {
    let lane = this.lanes.get(name)
    if (lane === undefined) {
      lane = new Lane(name, new Line(readyPrefix(this.name, name)))
      this.lanes.set(name, lane)
    }
    return lane
  }

  /** Whether the lane may give a task now. */
  #open(lane: Lane): boolean {
    if (lane.ready.count === 0) return false
    if (lane.name === '') return true
    if (this.ordered) return lane.leased + lane.retrying === 0
    return this.groupConcurrency === 0 || lane.leased < this.groupConcurrency
  }

  /** Puts the lane at the end of the ring if it may give a task. True: the queue has something to claim. */
  enter(lane: Lane): boolean {
    if (!this.#open(lane)) return false
    if (!lane.inRing) {
      lane.inRing = true
      this.#ring.push(lane)
      if (this.#ring.length - this.#turn > 2 * this.lanes.size + 1_000) this.#sift()
    }
    return !this.paused
  }

  /** Drops lanes from the ring that are no more: a queue that is paused gives nothing, and so passes none. */
  #sift(): void {
    this.#ring = this.#ring.slice(this.#turn).filter((lane) => this.lanes.get(lane.name) === lane)
    this.#turn = 0
  }

  /** After the settings changed. True: the queue has something to claim. */
  enterAll(): boolean {
    let claimable = false
    for (const lane of this.lanes.values()) claimable = this.enter(lane) || claimable
    return claimable
  }

  get claimable(): boolean {
    if (this.paused) return false
    for (let i = this.#turn; i < this.#ring.length; i++) {
      const lane = this.#ring[i]
      if (lane !== undefined && this.#open(lane)) return true
    }
    return false
  }

  /** A claim of `limit` comes with this batch: lanes that it may reach are to have enough in memory. Gives what to read. */
  *wanting(draft: Draft, limit: number): Generator<Line> {
    // Claims of one batch come to lanes one after the other.
    if (this.#wanted === 0) {
      draft.atEnd(() => {
        this.#wanted = 0
      })
    }
    this.#wanted += limit
    let open = 0
    for (let i = this.#turn; i < this.#ring.length && open < this.#wanted; i++) {
      const lane = this.#ring[i]
      if (lane === undefined || !this.#open(lane)) continue
      open += 1
      const line = lane.ready
      // Other lanes may have less than their share, so this one may have to give all of it.
      const need = Math.min(this.#wanted, line.count)
      if (line.loaded < need && line.want(Math.max(need, aheadMin, Math.ceil(aheadAll / this.#ring.length)))) yield line
    }
  }

  /**
   * Takes the next task, one of the lane whose turn it is. Undefined: nothing to claim is in memory, or the next one is
   * larger than `sizeMax`.
   */
  take(sizeMax: number): { readonly lane: Lane; readonly placed: Placed } | undefined {
    while (this.#turn < this.#ring.length) {
      const lane = this.#ring[this.#turn++]
      if (lane === undefined) continue
      lane.inRing = false
      if (this.#turn > 1_000 && this.#turn * 2 > this.#ring.length) {
        this.#ring = this.#ring.slice(this.#turn)
        this.#turn = 0
      }
      if (!this.#open(lane)) continue
      const { first } = lane.ready
      const placed = first !== undefined && first.held.stored.size <= sizeMax ? lane.ready.take() : undefined
      if (placed === undefined) {
        // It keeps its turn: others took what was in memory, or it comes first in the next batch.
        lane.inRing = true
        if (this.#turn === 0) this.#ring.unshift(lane)
        else this.#ring[--this.#turn] = lane
        return undefined
      }
      this.ready -= 1
      lane.leased += 1
      this.leased += 1
      this.enter(lane)
      return { lane, placed }
    }
    return undefined
  }

  settled(now: number): void {
    this.done += 1
    this.#settled.add(now, 1)
  }

  get settings(): QueueSettings {
    return { paused: this.paused, groupConcurrency: this.groupConcurrency, ordered: this.ordered }
  }

  counts(now: number): QueueCounts {
    let oldestReady = Number.POSITIVE_INFINITY
    let looked = 0
    for (const { ready } of this.lanes.values()) {
      oldestReady = Math.min(oldestReady, ready.first?.held.stored.task.time ?? oldestReady)
      if (++looked === lanesLooked) break
    }
    return {
      ...this.settings,
      queue: this.name,
      ready: this.ready,
      delayed: this.delayed.count,
      leased: this.leased,
      dead: this.dead,
      done: this.done,
      donePerMinute: this.#settled.sum(now),
      ...(oldestReady < Number.POSITIVE_INFINITY ? { oldestReady } : undefined),
    }
  }
}

/** The queue and lane that a lane's key names. */
export function readLaneKey(at: Buffer): { readonly queue: string; readonly lane: string } {
  const start = spaces.lane.length + 1
  const end = start + (at[start - 1] ?? 0)
  return { queue: at.toString('utf8', start, end), lane: at.toString('utf8', end) }
}
