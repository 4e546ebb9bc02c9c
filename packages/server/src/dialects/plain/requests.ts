// Requests in their plain dialect: `{"type","queryIndex","payload"}` is answered with `{"type","queryIndex","resultJob"}`, in
// whatever order answers come. What cannot be read is answered as `errMsgFromClient`, what fails as `{"err"}`.

import { isObject, NitkaError, toNitkaError } from '@nitka/protocol'
import { plainAnswer } from '../../pools/answers.ts'
import { type PoolCall, poolCalls } from '../../pools/calls.ts'
import type { Asked, Asker, Outcome } from '../../requests/request.ts'
import { resultJson } from '../../requests/result.ts'
import { type Action, Permits } from '../../sessions/auth.ts'
import type { Session } from '../../sessions/session.ts'
import type { LineFraming } from '../../sessions/wire.ts'
import type { RpcServices } from '../rpc/context.ts'
import { LineReplies } from './line-replies.ts'

export class PlainRequests {
  readonly #session: Session
  readonly #services: RpcServices
  readonly #permits: Permits
  /** Those that were asked and are not answered. */
  readonly #open = new Set<PlainRequest>()
  readonly #replies: LineReplies
  #pings = 0
  #lastType = ''
  #lastHead = ''

  constructor(session: Session, services: RpcServices) {
    this.#session = session
    this.#services = services
    this.#permits = new Permits(services.authorize)
    this.#replies = new LineReplies(session)
  }

  /** One request. Runs once per request. */
  receiveValue(value: unknown, bytes: number, framing: LineFraming): void {
    if (!isObject(value)) return this.#misread(0, 'a request must be a JSON object', framing)
    const { type, queryIndex, payload } = value
    const index = typeof queryIndex === 'number' || typeof queryIndex === 'string' ? queryIndex : undefined
    if (type === undefined) return this.#misread(index ?? 0, 'type is missing', framing)
    if (typeof type !== 'string' || type === '') return this.#misread(index ?? 0, 'type must be a string', framing)
    if (queryIndex === undefined) return this.#misread(0, 'queryIndex is missing', framing)
    if (index === undefined) return this.#misread(0, 'queryIndex must be a number or a string', framing)
    const { intake } = this.#session
    const { crowded } = intake
    const pools = type.startsWith('pool.')
    intake.begin(bytes, pools)
    const one = new PlainRequest(this.#answer, { type, index, payload, bytes, framing })
    if (crowded) return one.answer({ error: new NitkaError('overloaded', 'too many requests are under way') })
    if (type === 'ping') return one.answer({ result: { pong: typeof payload === 'number' ? payload : ++this.#pings } })
    if (pools && Object.hasOwn(poolCalls, `pools.${type.slice(5)}`)) {
      return this.#pool(poolCalls[`pools.${type.slice(5)}` as keyof typeof poolCalls], one)
    }
    if (type === 'srvQueuePrint') return this.#permitted('requests.read', '', one, this.#printQueue)
    this.#permitted('requests.call', type, one, this.#ask)
  }

  refuse(error: NitkaError, framing: LineFraming): void {
    this.#misread(0, error.message, framing)
    this.#replies.flush()
  }

  /** What waits is dropped; what runs is still answered. */
  leaving(): void {
    for (const one of this.#open) {
      if (one.asked?.waiting !== true) continue
      one.asked.drop()
      this.#open.delete(one)
      this.#session.intake.end(one.bytes)
    }
    this.#services.pools.dropWaiters(this.#session)
  }

  closed(): void {
    for (const { asked } of this.#open) asked?.drop()
    this.#open.clear()
    this.#services.pools.gone(this.#session, this.#session.endedClean)
  }

  // What runs once per request is a property, not a closure of each.
  readonly #ask = (one: PlainRequest): void => {
    if (this.#session.ended !== undefined) return
    const { type, payload } = one
    const asked = this.#services.requests.ask({ type, payload, user: this.#session.user }, one)
    if (one.answered) return
    one.asked = asked
    this.#open.add(one)
  }

  readonly #answer = (one: PlainRequest, outcome: Outcome): void => {
    if (one.asked !== undefined) this.#open.delete(one)
    this.#session.intake.end(one.bytes)
    if (this.#session.ended !== undefined) return
    const { type, index, framing } = one
    // A number of JSON is the same text in a template, for a fraction of the cost.
    const indexText = typeof index === 'number' ? `${index}` : JSON.stringify(index)
    this.#replies.add(`${this.#head(type)}${indexText},"resultJob":${resultText(outcome)}}`, framing)
  }

  /** What an answer begins with. Who asks often asks mostly one type. */
  #head(type: string): string {
    if (type !== this.#lastType) {
      this.#lastType = type
      this.#lastHead = `{"type":${JSON.stringify(type)},"queryIndex":`
    }
    return this.#lastHead
  }

  #pool(call: PoolCall, one: PlainRequest): void {
    const refuse = (thrown: unknown): void => {
      const error = toNitkaError(thrown)
      if (error.code === 'internal') this.#services.onInternal(thrown, 'pools')
      one.answer({ error })
    }
    try {
      const params = call.check(one.payload)
      this.#permitted(call.action, params.pool ?? '', one, () => {
        if (call.binds && this.#session.ended !== undefined) return
        this.#run(call, params).then((result) => one.answer({ result: plainAnswer(result) }), refuse)
      })
    } catch (thrown) {
      refuse(thrown)
    }
  }

  async #run(call: PoolCall, params: unknown): Promise<unknown> {
    return call.run(this.#services, { user: this.#session.user, owner: this.#session }, params as never)
  }

  #permitted(action: Action, target: string, one: PlainRequest, go: (one: PlainRequest) => void): void {
    try {
      if (!this.#session.known) throw new NitkaError('unauthenticated', 'call session.hello with a token first')
      const waiting = this.#permits.demand(this.#session.who, action, target)
      if (waiting === undefined) return go(one)
      waiting.then(
        () => go(one),
        (thrown: unknown) => one.answer({ error: toNitkaError(thrown) }),
      )
    } catch (thrown) {
      one.answer({ error: toNitkaError(thrown) })
    }
  }

  readonly #printQueue = (one: PlainRequest): void => {
    const { requests, pools } = this.#services
    one.answer({ result: { queue: requests.types(), pools: pools.waiting } })
  }

  #misread(queryIndex: string | number, err: string, framing: LineFraming): void {
    if (this.#session.ended !== undefined) return
    this.#replies.add(JSON.stringify({ type: 'errMsgFromClient', queryIndex, resultJob: { err } }), framing)
  }
}

/** One request of a connection, from its reading to its answer. */
class PlainRequest implements Asker {
  readonly type: string
  readonly index: string | number
  readonly payload: unknown
  readonly bytes: number
  readonly framing: LineFraming
  /** Undefined: it was not asked, or answered at once. */
  asked: Asked | undefined
  answered = false
  readonly #answer: (one: PlainRequest, outcome: Outcome) => void

  constructor(
    answer: (one: PlainRequest, outcome: Outcome) => void,
    of: Pick<PlainRequest, 'type' | 'index' | 'payload' | 'bytes' | 'framing'>,
  ) {
    this.#answer = answer
    this.type = of.type
    this.index = of.index
    this.payload = of.payload
    this.bytes = of.bytes
    this.framing = of.framing
  }

  answer(outcome: Outcome): void {
    this.answered = true
    this.#answer(this, outcome)
  }
}

/** Runs once per request. */
function resultText(outcome: Outcome): string {
  if ('error' in outcome) return JSON.stringify({ err: outcome.error.message })
  try {
    return resultJson(outcome.result)
  } catch (error) {
    return JSON.stringify({ err: (error as Error).message })
  }
}
