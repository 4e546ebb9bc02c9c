// Requests in their plain dialect: `{"type","queryIndex","payload"}` is answered with `{"type","queryIndex","resultJob"}`, in
// whatever order answers come. What cannot be read is answered as `errMsgFromClient`, what fails as `{"err"}`.

import { isObject, NitkaError, toNitkaError } from '@nitka/protocol'
import { plainAnswer } from '../../pools/answers.ts'
import { type PoolCall, poolCalls } from '../../pools/calls.ts'
import type { Asked, Outcome } from '../../requests/request.ts'
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
  /** Those that are not answered, with their sizes. */
  readonly #open = new Map<Asked, number>()
  readonly #replies: LineReplies
  #pings = 0

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
    intake.begin(bytes, type.startsWith('pool.'))
    const reply = (outcome: Outcome): void => {
      intake.end(bytes)
      if (this.#session.ended !== undefined) return
      const head = `{"type":${JSON.stringify(type)},"queryIndex":${JSON.stringify(index)}`
      this.#replies.add(`${head},"resultJob":${resultText(outcome)}}`, framing)
    }
    if (crowded) return reply({ error: new NitkaError('overloaded', 'too many requests are under way') })
    if (type === 'ping') return reply({ result: { pong: typeof payload === 'number' ? payload : ++this.#pings } })
    if (type.startsWith('pool.') && Object.hasOwn(poolCalls, `pools.${type.slice(5)}`)) {
      const call = poolCalls[`pools.${type.slice(5)}` as keyof typeof poolCalls]
      return this.#pool(call, payload, reply)
    }
    if (type === 'srvQueuePrint')
      return this.#permitted('requests.read', '', reply, () => reply({ result: this.#queue() }))
    this.#permitted('requests.call', type, reply, () => this.#ask(type, payload, bytes, reply))
  }

  refuse(error: NitkaError, framing: LineFraming): void {
    this.#misread(0, error.message, framing)
    this.#replies.flush()
  }

  /** What waits is dropped; what runs is still answered. */
  leaving(): void {
    for (const [asked, bytes] of this.#open) {
      if (!asked.waiting) continue
      asked.drop()
      this.#open.delete(asked)
      this.#session.intake.end(bytes)
    }
    this.#services.pools.dropWaiters(this.#session)
  }

  closed(): void {
    for (const asked of this.#open.keys()) asked.drop()
    this.#open.clear()
    this.#services.pools.gone(this.#session, this.#session.endedClean)
  }

  #ask(type: string, payload: unknown, bytes: number, reply: (outcome: Outcome) => void): void {
    if (this.#session.ended !== undefined) return
    let asked: Asked | undefined
    let answered = false
    asked = this.#services.requests.ask({ type, payload, user: this.#session.user }, (outcome) => {
      answered = true
      if (asked !== undefined) this.#open.delete(asked)
      reply(outcome)
    })
    if (!answered) this.#open.set(asked, bytes)
  }

  #pool(call: PoolCall, payload: unknown, reply: (outcome: Outcome) => void): void {
    const refuse = (thrown: unknown): void => {
      const error = toNitkaError(thrown)
      if (error.code === 'internal') this.#services.onInternal(thrown, 'pools')
      reply({ error })
    }
    try {
      const params = call.check(payload)
      this.#permitted(call.action, params.pool ?? '', reply, () => {
        this.#run(call, params).then((result) => reply({ result: plainAnswer(result) }), refuse)
      })
    } catch (thrown) {
      refuse(thrown)
    }
  }

  async #run(call: PoolCall, params: unknown): Promise<unknown> {
    return call.run(this.#services, { user: this.#session.user, owner: this.#session }, params as never)
  }

  #permitted(action: Action, target: string, reply: (outcome: Outcome) => void, go: () => void): void {
    try {
      if (!this.#session.known) throw new NitkaError('unauthenticated', 'call session.hello with a token first')
      const waiting = this.#permits.demand(this.#session.who, action, target)
      if (waiting === undefined) return go()
      waiting.then(go, (thrown: unknown) => reply({ error: toNitkaError(thrown) }))
    } catch (thrown) {
      reply({ error: toNitkaError(thrown) })
    }
  }

  #queue(): unknown {
    return { queue: this.#services.requests.types(), pools: this.#services.pools.waiting }
  }

  #misread(queryIndex: string | number, err: string, framing: LineFraming): void {
    if (this.#session.ended !== undefined) return
    this.#replies.add(JSON.stringify({ type: 'errMsgFromClient', queryIndex, resultJob: { err } }), framing)
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
