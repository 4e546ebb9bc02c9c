// Requests that this node asks of the node that answers their type. They stand in one line a type, in the order in which they
// were asked, until they are answered: when the type moves, those that have not begun are asked again at its next node, each
// after those before it. What had begun when its node went is not asked again.

import { NitkaError } from '@nitka/protocol'
import type { Owner, Ownership } from '../nodes/ownership.ts'
import { textBytesMax } from '../nodes/parcels.ts'
import type { Peers } from '../nodes/peers.ts'
import { readToldError, type ToldError } from '../nodes/told-error.ts'
import type { Clock } from '../world.ts'
import { Forwarded, type ForwardedLine } from './forwarded.ts'
import type { Asked, Asker, Outcome, Question, Tell } from './request.ts'
import { unitOf } from './type-claim.ts'

export interface ForwardingParts {
  readonly clock: Clock
  readonly ownership: Ownership
  readonly peers: Peers
  /** How long a request waits for its type to have a node, milliseconds. */
  readonly waitMs: number
  /** How many of a type may be under way, 0: no limit. */
  readonly waitingMax: number
  /** Asks at this node; undefined when it may not begin the type under that fence. */
  readonly here: (question: Question, tell: Tell, fence: number) => Asked | undefined
  /** Whether this node wishes to have the type, or has it. */
  readonly wished: (type: string) => boolean
}

/** What the node that is asked answers. */
export type Reply = { readonly moved: true } | { readonly result?: unknown } | { readonly error: ToldError }

/** What is asked of another node: under the fence that is known here. What was asked before a change does not pass that change. */
export type AskedThere = Question & { readonly fence: number }

export const askName = 'requests.ask'

/** After a node has said that a type is not its, it is not asked again for so long. */
const againMs = 250

export class Forwarding {
  /** Requests that other nodes were asked. */
  forwarded = 0
  /** Those that were asked again, because their type had moved. */
  askedAgain = 0
  readonly #parts: ForwardingParts
  readonly #lines = new Map<string, ForwardedLine>()
  /** Units that lately had an owner → until when, monotonic, another one is waited for. */
  readonly #lately = new Map<string, number>()
  readonly #deaf: () => void

  constructor(parts: ForwardingParts) {
    this.#parts = parts
    this.#deaf = parts.ownership.onOwner((unit) => this.#changed(unit))
  }

  /** Requests that wait elsewhere, or for their type to have a node. */
  get waiting(): number {
    let count = 0
    for (const { all } of this.#lines.values()) for (const one of all) if (one.waiting && !one.here) count++
    return count
  }

  /** Whether the type has an owner, or may soon have one. */
  knows(type: string): boolean {
    const unit = unitOf(type)
    return this.#parts.wished(type) || this.#parts.ownership.owner(unit) !== undefined || this.#lately.has(unit)
  }

  /** The node that answers the type, as far as this one has heard. */
  owner(type: string): string | undefined {
    return this.#parts.ownership.owner(unitOf(type))?.node
  }

  /** Asks wherever the type is. As `Requests.ask`; the type is known. */
  ask(question: Question, asker: Asker): Asked {
    const { clock, waitingMax } = this.#parts
    const line = this.#line(question.type)
    const refusal = notSendable(question.payload) ?? tooMany(line, waitingMax)
    const answer = (outcome: Outcome): void => asker.answer(outcome)
    const one = new Forwarded(question, clock.monotonic(), { answer, left: (left) => this.#left(line, left) })
    line.all.add(one)
    if (refusal !== undefined) this.#answer(line, one, { error: refusal })
    else if (line.at !== undefined && same(line.at, this.#place(line.type))) this.#send(line, one, line.at)
    else this.#soon(line)
    return one
  }

  /** The type may be at another node now. */
  look(type: string): void {
    const line = this.#lines.get(type)
    if (line === undefined) return
    line.at = undefined
    this.#soon(line)
  }

  /** Looks at what has no node. To be called every now and then. */
  check(): void {
    const now = this.#parts.clock.monotonic()
    for (const [unit, until] of this.#lately) if (until <= now) this.#lately.delete(unit)
    for (const line of this.#lines.values()) {
      if (line.at !== undefined && same(line.at, this.#place(line.type))) continue
      for (const one of line.all) {
        if (one.at !== undefined || now - one.since < this.#parts.waitMs) continue
        const message = `no node answers ${line.type} at present; come back`
        this.#answer(line, one, { error: new NitkaError('unavailable', message) })
      }
      this.#pump(line)
    }
  }

  /** Answers everything with an error. */
  refuse(error: NitkaError): void {
    for (const line of [...this.#lines.values()]) {
      for (const one of [...line.all]) {
        one.call?.drop()
        one.asked?.drop()
        this.#answer(line, one, { error })
      }
    }
  }

  close(): void {
    this.#deaf()
  }

  #line(type: string): ForwardedLine {
    const known = this.#lines.get(type)
    if (known !== undefined) return known
    const line: ForwardedLine = { type, all: new Set(), at: this.#place(type), dirty: false }
    this.#lines.set(type, line)
    return line
  }

  #changed(unit: string): void {
    const { ownership, clock, waitMs } = this.#parts
    if (!unit.startsWith(unitOf(''))) return
    if (ownership.owner(unit) === undefined) this.#lately.set(unit, clock.monotonic() + waitMs)
    else this.#lately.delete(unit)
    this.look(unit.slice(unitOf('').length))
  }

  /** The node to ask, now. Itself only while it wishes to be. */
  #place(type: string): Owner | undefined {
    const { ownership, wished } = this.#parts
    const owner = ownership.owner(unitOf(type))
    return owner?.node === ownership.node && !wished(type) ? undefined : owner
  }

  #soon(line: ForwardedLine): void {
    if (line.dirty) return
    line.dirty = true
    this.#parts.clock.soon(() => {
      line.dirty = false
      this.#pump(line)
    })
  }

  /** Asks what is not asked where the type is, in order. Costs as much as there is, once a move. */
  #pump(line: ForwardedLine): void {
    const place = this.#place(line.type)
    const now = this.#parts.clock.monotonic()
    for (const one of line.all) {
      if (one.runs || (one.at !== undefined && same(one.at, place))) continue
      // What was asked elsewhere has to be heard of first, so that nothing passes it.
      if (one.at !== undefined || place === undefined || one.notBefore > now) return
      this.#send(line, one, place)
      // Refused at once: nothing behind it may pass.
      if (one.answer !== undefined && one.at === undefined) return
    }
    line.at = place
  }

  #send(line: ForwardedLine, one: Forwarded, place: Owner): void {
    const { ownership, peers, clock } = this.#parts
    one.at = place
    one.askedAt = clock.monotonic()
    if (place.node === ownership.node) {
      const tell: Tell = {
        answer: (outcome) => this.#answer(line, one, outcome),
        begun: () => {
          one.begun = true
        },
        moved: () => this.#again(line, one),
      }
      const asked = this.#parts.here(one.question, tell, place.fence)
      one.asked = asked
      if (asked === undefined) this.#again(line, one)
      return
    }
    this.forwarded += 1
    const call = peers.call(place.node, askName, { ...one.question, fence: place.fence })
    one.call = call
    call.answer.then(
      (reply) => {
        if (one.call === call) this.#heard(line, one, reply as Reply)
      },
      (error: NitkaError) => {
        if (one.call !== call) return
        if (call.begun) this.#answer(line, one, { error: lostWithNode(line.type) })
        else if (error.code === 'unavailable') this.#again(line, one)
        else this.#answer(line, one, { error })
      },
    )
  }

  #heard(line: ForwardedLine, one: Forwarded, reply: Reply): void {
    if ('moved' in reply) return this.#again(line, one)
    if (!('error' in reply)) return this.#answer(line, one, { result: reply.result })
    this.#answer(line, one, { error: readToldError(reply.error) })
  }

  /** It has not begun, and has to be asked elsewhere. */
  #again(line: ForwardedLine, one: Forwarded): void {
    if (one.answer === undefined) return
    const now = this.#parts.clock.monotonic()
    // It stood in a queue: its time without a node begins anew.
    if (now - one.askedAt > 4 * againMs) one.since = now
    this.askedAgain += 1
    one.at = undefined
    one.call = undefined
    one.asked = undefined
    one.notBefore = now + againMs
    line.at = undefined
    this.#soon(line)
  }

  #answer(line: ForwardedLine, one: Forwarded, outcome: Outcome): void {
    const { answer } = one
    if (answer === undefined) return
    one.answer = undefined
    this.#left(line, one)
    answer(outcome)
  }

  #left(line: ForwardedLine, one: Forwarded): void {
    line.all.delete(one)
    if (line.all.size > 0) {
      if (line.at === undefined) this.#soon(line)
    } else if (this.#lines.get(line.type) === line) this.#lines.delete(line.type)
  }
}

/** The fence says it: it grows with every change, and is one node's. */
function same(one: Owner, other: Owner | undefined): boolean {
  return one.fence === other?.fence
}

function notSendable(payload: unknown): NitkaError | undefined {
  const field = 'payload'
  try {
    const bytes = Buffer.byteLength(JSON.stringify(payload) ?? '')
    if (bytes <= textBytesMax) return undefined
    return new NitkaError('too-large', `payload has ${bytes} bytes, ${textBytesMax} are allowed`, { field })
  } catch (cause) {
    return new NitkaError('invalid', `payload must be a JSON value: ${(cause as Error).message}`, { field, cause })
  }
}

function tooMany({ type, all }: ForwardedLine, waitingMax: number): NitkaError | undefined {
  if (waitingMax === 0 || all.size < waitingMax) return undefined
  return new NitkaError('overloaded', `${waitingMax} requests of ${type} wait already; come back later`)
}

function lostWithNode(type: string): NitkaError {
  return new NitkaError(
    'unavailable',
    `the node that worked on this request of ${type} is gone; whether it was done is unknown`,
  )
}
