// What nodes ask each other, over a bus that may lose, repeat and reorder. A question is sent again until it was taken, an
// answer until it was heard, and a question that comes twice is worked on once. Nothing here is durable: when a node is
// gone, what was asked of it ends with `gone`, and whether it was done the one who asked must not assume.

import { NitkaError } from '@nitka/protocol'
import type { Bus, BusSubscription } from '../bus.ts'
import type { Clock, Timer } from '../world.ts'
import { AskedOf, type Call } from './asked-of.ts'
import type { Ownership } from './ownership.ts'
import { ParcelCutter, ParcelJoiner } from './parcels.ts'
import { type Frame, type Handler, Work } from './work.ts'

export interface PeersParts {
  readonly bus: Bus
  readonly clock: Clock
  readonly ownership: Pick<Ownership, 'node' | 'nodes' | 'onGone'>
  /** Told what a handler threw that is not for whoever asked. */
  readonly onError: (error: unknown) => void
}

/** How often what is not answered is asked after. */
const checkMs = 1_000
/** Characters of frames that go together. */
const joinedMax = 256 * 1024

interface Link {
  readonly asked: AskedOf
  readonly work: Work
  readonly joiner: ParcelJoiner
  out: string[]
  length: number
  dirty: boolean
}

export class Peers {
  readonly #parts: PeersParts
  readonly #handlers = new Map<string, Handler>()
  readonly #links = new Map<string, Link>()
  readonly #subscription: BusSubscription
  readonly #timer: Timer
  readonly #deaf: () => void
  readonly #cutter = new ParcelCutter()
  /** Of all links: a node that was thought gone and comes back is not asked under numbers that it knows. */
  #last = 0
  #closed = false

  constructor(parts: PeersParts) {
    this.#parts = parts
    const { bus, clock, ownership } = parts
    this.#subscription = bus.subscribe(subjectOf(ownership.node), (bytes) => this.#hear(bytes))
    this.#timer = clock.every(checkMs, () => this.#check())
    this.#deaf = ownership.onGone((node) => this.#gone(node))
  }

  /** Questions that wait for an answer, and questions of others that are worked on. */
  get size(): { readonly asked: number; readonly working: number } {
    let [asked, working] = [0, 0]
    for (const link of this.#links.values()) {
      asked += link.asked.size
      working += link.work.size
    }
    return { asked, working }
  }

  /** Answers what other nodes ask under a name, from now on. One handler a name. */
  serve(name: string, handler: Handler): void {
    this.#handlers.set(name, handler)
  }

  /**
   * Asks another node. Questions to one node arrive in the order of the calls, while nothing is lost.
   * @param params JSON, at most some MiB
   */
  call(node: string, name: string, params: unknown): Call {
    if (this.#closed || !this.#parts.ownership.nodes.has(node)) {
      const error = new NitkaError('unavailable', 'the node that is asked is gone')
      return { answer: Promise.reject(error), begun: false, drop: () => undefined }
    }
    return this.#link(node).asked.ask(name, params)
  }

  close(): void {
    this.#closed = true
    this.#subscription.cancel()
    this.#timer.cancel()
    this.#deaf()
    for (const node of [...this.#links.keys()]) this.#gone(node)
  }

  #link(node: string): Link {
    const known = this.#links.get(node)
    if (known !== undefined) return known
    const { clock, onError } = this.#parts
    const send = (frame: Frame): void => this.#send(node, link, frame)
    const link: Link = {
      asked: new AskedOf(send, () => ++this.#last),
      work: new Work({ node, send, clock, onError, handlers: this.#handlers }),
      ...{ joiner: new ParcelJoiner(clock), out: [], length: 0, dirty: false },
    }
    this.#links.set(node, link)
    return link
  }

  /** Frames of one turn go together. */
  #send(node: string, link: Link, frame: Frame): void {
    const text = JSON.stringify(frame)
    link.out.push(text)
    link.length += text.length
    if (link.length >= joinedMax) this.#flush(node, link)
    else if (!link.dirty) {
      link.dirty = true
      this.#parts.clock.soon(() => this.#flush(node, link))
    }
  }

  #flush(node: string, link: Link): void {
    link.dirty = false
    if (link.out.length === 0) return
    const text = `[${link.out.join(',')}]`
    link.out = []
    link.length = 0
    const head = Buffer.from(`${this.#parts.ownership.node} `)
    for (const parcel of this.#cutter.cut(text)) this.#parts.bus.publish(subjectOf(node), Buffer.concat([head, parcel]))
  }

  #hear(bytes: Uint8Array): void {
    const space = bytes.indexOf(32)
    const from = Buffer.from(bytes.subarray(0, Math.max(space, 0))).toString('latin1')
    if (this.#closed || from === '') return
    const link = this.#link(from)
    const text = link.joiner.join(bytes.subarray(space + 1))
    if (text === undefined) return
    for (const frame of JSON.parse(text) as readonly Frame[]) {
      // Others, and other kinds than these, are of a newer version: nobody waits for an answer that an older one cannot give.
      if (!Array.isArray(frame)) continue
      if (frame[0] === 'ask' || frame[0] === 'drop' || frame[0] === 'heard' || frame[0] === 'check')
        link.work.take(frame)
      else link.asked.take(frame)
    }
  }

  #check(): void {
    const { nodes } = this.#parts.ownership
    for (const [node, link] of this.#links) {
      link.asked.check()
      link.work.forget()
      // Heard of before the record said that it is there, or after it was gone.
      if (!nodes.has(node) && link.asked.size === 0 && link.work.size === 0) this.#links.delete(node)
    }
  }

  #gone(node: string): void {
    const link = this.#links.get(node)
    if (link === undefined) return
    this.#links.delete(node)
    link.asked.end()
    link.work.end()
  }
}

function subjectOf(node: string): string {
  return `node.${node}`
}
