// The types of requests among several nodes: each is answered by one of the nodes that have executors for it, and whoever asks
// elsewhere asks that one. Puts the claims of this node, what it forwards, and what others ask of it together.

import { NitkaError } from '@nitka/protocol'
import type { Ownership } from '../nodes/ownership.ts'
import { textBytesMax } from '../nodes/parcels.ts'
import type { Peers } from '../nodes/peers.ts'
import type { Asker } from '../nodes/work.ts'
import type { Clock } from '../world.ts'
import { type AskedThere, askName, Forwarding, type Reply } from './forwarding.ts'
import type { Asked, Outcome, Question, Tell } from './request.ts'
import { TypeClaim } from './type-claim.ts'
import type { Right, TypeQueue } from './type-queue.ts'

export interface SharedTypesParts {
  readonly clock: Clock
  readonly ownership: Ownership
  readonly peers: Peers
  /** How long a request waits for its type to have a node, milliseconds. */
  readonly waitMs: number
  /** As of one node, 0: no limit. */
  readonly waitingMax: number
  /** Asks this node's queue; undefined when it may not begin the type under that fence. */
  readonly here: (question: Question, tell: Tell, fence: number) => Asked | undefined
}

export class SharedTypes {
  readonly forwarding: Forwarding
  readonly #parts: SharedTypesParts
  readonly #claims = new Map<string, TypeClaim>()

  constructor(parts: SharedTypesParts) {
    this.#parts = parts
    const { peers, here } = parts
    this.forwarding = new Forwarding({ ...parts, wished: (type) => this.#claims.get(type)?.wished === true })
    peers.serve(askName, (params, asker) => serve(params as AskedThere, asker, here))
  }

  /** Whether there is another node. */
  get others(): boolean {
    return this.#parts.ownership.nodes.size > 1
  }

  /** Types that are this node's. */
  get owned(): number {
    let count = 0
    for (const { fence } of this.#claims.values()) if (fence !== undefined) count++
    return count
  }

  /** Whether this node may begin requests of the type, under the fence that whoever asks knows. */
  mayBegin(type: string, fence: number | undefined): boolean {
    const claim = this.#claims.get(type)
    return fence !== undefined && claim?.fence === fence && claim.begins
  }

  /** Makes the queue of a type with the right of this node to it. */
  queue(type: string, make: (right: Right) => TypeQueue): TypeQueue {
    const { ownership, clock } = this.#parts
    const claim = new TypeClaim(type, {
      ...{ ownership, clock },
      gained: () => {
        queue.run()
        this.forwarding.look(type)
      },
      leaving: () => queue.move(new NitkaError('unavailable', `${type} has gone to another node`)),
      lost: () => queue.abandon(),
      running: () => queue.running.length,
    })
    const queue = make(claim)
    this.#claims.set(type, claim)
    return queue
  }

  /** This node has an executor for the type. */
  wish(type: string): void {
    this.#claims.get(type)?.wish()
  }

  /** It has none any more. */
  leave(type: string): void {
    this.#claims.get(type)?.leave()
  }

  leaveAll(): void {
    for (const claim of this.#claims.values()) claim.leave()
  }

  /** To be called every now and then. */
  check(): void {
    for (const claim of this.#claims.values()) claim.check()
    this.forwarding.check()
  }

  /** Forgets a type that this node neither has nor wishes. False: it does. */
  forget(type: string): boolean {
    if (this.#claims.get(type)?.over === false) return false
    this.#claims.delete(type)
    return true
  }

  /** Gives all types back. Resolves when other nodes can have them. */
  async close(): Promise<void> {
    this.forwarding.close()
    await Promise.all([...this.#claims.values()].map((claim) => claim.giveBack()))
  }
}

/** What another node asks. Answered when it is, or when it is to be asked elsewhere. */
function serve({ fence, ...question }: AskedThere, asker: Asker, here: SharedTypesParts['here']): Promise<Reply> {
  return new Promise((resolve) => {
    const tell: Tell = {
      answer: (outcome) => resolve(replyOf(question.type, outcome)),
      begun: () => asker.begun(),
      moved: () => resolve({ moved: true }),
    }
    const asked = here(question, tell, fence)
    if (asked === undefined) resolve({ moved: true })
    else asker.onDrop = () => asked.drop()
  })
}

function replyOf(type: string, outcome: Outcome): Reply {
  if (!('error' in outcome)) {
    try {
      const bytes = Buffer.byteLength(JSON.stringify(outcome.result) ?? '')
      if (bytes <= textBytesMax) return { result: outcome.result }
      const message = `the result of ${type} has ${bytes} bytes, ${textBytesMax} may go to another node`
      return { error: { code: 'failed', message } }
    } catch (error) {
      return {
        error: { code: 'failed', message: `the result of ${type} is no JSON value: ${(error as Error).message}` },
      }
    }
  }
  const { code, message, field } = outcome.error
  return { error: { code, message, ...(field === undefined ? {} : { field }) } }
}
