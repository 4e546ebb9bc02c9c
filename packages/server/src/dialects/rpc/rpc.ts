// The rpc dialect: JSON-RPC 2.0, one value a message. Owns the envelope, the checks and the answers; the calls are in
// the files beside.

import { errors, isObject, limits, NitkaError, parseJson, toNitkaError } from '@nitka/protocol'
import { type CallName, type Check, calls, compileCheck } from '@nitka/protocol/schemas'
import { Permits } from '../../sessions/auth.ts'
import type { Dialect } from '../../sessions/dialect.ts'
import type { Session } from '../../sessions/session.ts'
import { isHeartbeat } from '../heartbeat.ts'
import { Answer, type Handler, RawJson, type RpcContext, type RpcServices } from './context.ts'
import { directCalls } from './direct-calls.ts'
import { notification, rpcMarkerEncoder, rpcRoomEventEncoder } from './encoders.ts'
import { OwnRequests } from './own-requests.ts'
import { rpcPoolCalls } from './pool-calls.ts'
import { relayCalls } from './relay-calls.ts'
import { requestCalls } from './request-calls.ts'
import { roomCalls } from './room-calls.ts'
import { sessionCalls } from './session-calls.ts'
import { taskCalls } from './task-calls.ts'

const handlers: Readonly<Record<CallName, Handler>> = {
  ...sessionCalls,
  ...relayCalls,
  ...directCalls,
  ...roomCalls,
  ...taskCalls,
  ...requestCalls,
  ...rpcPoolCalls,
}

interface Method {
  readonly check: Check<(typeof calls)[CallName]['params']>
  readonly handle: Handler
  /** Whether it may have something stored. */
  readonly stores: boolean
  readonly joins: boolean
}

/** Calls of which nothing is kept. */
const passing = /^(session|relay|requests)\./

/** Calls that begin something that goes on, and are counted as such. */
const joining: ReadonlySet<CallName> = new Set(['rooms.join', 'relay.join', 'direct.resume', 'tasks.work'])

const methods = new Map<string, Method>(
  (Object.keys(calls) as CallName[]).map((name) => [
    name,
    {
      ...{ check: compileCheck(calls[name].params), handle: handlers[name] },
      ...{ stores: !passing.test(name), joins: joining.has(name) },
    },
  ]),
)

const invalidRequest = -32600
const methodNotFound = -32601
const parseError = -32700

/** Calls that a connection may make before its user is known. */
const beforeHello = new Set(['session.hello', 'session.ping'])

/** Calls that are somebody's: on a connection of nobody in particular they need a hello first. */
const personal = /^(direct|rooms)\.|^session\.trace$/

export class Rpc implements Dialect {
  readonly #session: Session
  readonly #context: RpcContext
  readonly #onInternal: (error: unknown, where: string) => void

  constructor(session: Session, services: RpcServices) {
    this.#session = session
    this.#onInternal = services.onInternal
    let welcomed = false
    this.#context = {
      session,
      services,
      permits: new Permits(services.authorize),
      relays: new Map(),
      rooms: new Map(),
      joining: new Set(),
      direct: undefined,
      works: new Map(),
      asking: new OwnRequests(session, services.requests),
      welcome: () => {
        if (welcomed || session.user === '') return
        welcomed = true
        const { framing } = session.wire
        session.onClose(services.rooms.watch(session.user, session, rpcRoomEventEncoder(framing)))
        session.onClose(services.direct.watch(session.user, session, rpcMarkerEncoder(framing)))
      },
      failed: (error) => {
        services.onInternal(error, 'subscription')
        session.close('internal', 'the store does not answer')
      },
      missing: (log, missing) => session.reply(notification('session.missing', JSON.stringify({ log, missing }))),
    }
    this.#context.welcome()
  }

  receiveText(text: Buffer): void {
    if (isHeartbeat(text)) return this.#session.reply('heartbeat')
    let value: unknown
    try {
      value = parseJson(text.toString(), limits.listKeys)
    } catch (error) {
      return this.refuseText(text.toString(), toNitkaError(error))
    }
    this.receiveValue(value, text.length)
  }

  /** A text that is no JSON, or none within our bounds. */
  refuseText(text: string, error: NitkaError): void {
    const call = jsonIn(text)
    this.#fail((isObject(call) ? idOf(call) : null) ?? null, parseError, error)
  }

  /** A message that was parsed already, `bytes` long. */
  receiveValue(value: unknown, bytes: number): void {
    if (!isObject(value) || value.jsonrpc !== '2.0' || typeof value.method !== 'string') {
      const message = Array.isArray(value)
        ? 'batches are not taken; send one call a message'
        : 'not a JSON-RPC 2.0 call'
      return this.#fail(
        (isObject(value) ? idOf(value) : null) ?? null,
        invalidRequest,
        new NitkaError('invalid', message),
      )
    }
    const id = idOf(value)
    const method = methods.get(value.method)
    if (method === undefined) {
      const error = new NitkaError('not-found', `there is no method ${value.method.slice(0, 64)}`, { field: 'method' })
      return this.#fail(id, methodNotFound, error)
    }
    const { method: name, params = {} } = value
    const { intake } = this.#session
    const crowded = name !== 'requests.result' && intake.crowded
    intake.begin(bytes, method.stores)
    if (method.joins) intake.countJoin()
    try {
      if (crowded) throw tooManyCalls()
      if (!beforeHello.has(name) && (!this.#session.known || (this.#session.user === '' && personal.test(name)))) {
        throw new NitkaError('unauthenticated', 'call session.hello with a token first')
      }
      const result = method.handle(this.#context, method.check(params) as never)
      if (!(result instanceof Promise)) return this.#answer(id, result, bytes)
      result.then(
        (value) => this.#answer(id, value, bytes),
        (thrown) => this.#refuse(id, thrown, name, bytes),
      )
    } catch (thrown) {
      this.#refuse(id, thrown, name, bytes)
    }
  }

  receiveBinary(): void {
    this.#fail(null, invalidRequest, new NitkaError('invalid', 'binary frames are not understood here; send text'))
  }

  refuse(error: NitkaError): void {
    this.#fail(null, errors[error.code].rpc, error)
  }

  draining(afterMs: number): void {
    this.#session.reply(notification('session.drain', `{"after":${afterMs}}`))
  }

  closed(): void {
    const { relays, rooms, works, services, asking, session } = this.#context
    asking.close()
    services.pools.gone(session, session.endedClean)
    for (const work of works.values()) work.close()
    for (const member of relays.values()) services.relay.leave(member)
    for (const joined of rooms.values()) joined.close(session.lost)
    this.#context.direct?.close()
    relays.clear()
    rooms.clear()
    works.clear()
  }

  #answer(id: RpcId | undefined, value: unknown, bytes: number): void {
    this.#session.intake.end(bytes)
    const answer = value instanceof Answer ? value : undefined
    const result = answer === undefined ? value : answer.result
    if (this.#session.ended === undefined && id !== undefined) {
      const text = result instanceof RawJson ? result.text : JSON.stringify(result ?? {})
      this.#session.reply(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${text}}`)
    }
    answer?.after()
  }

  #refuse(id: RpcId | undefined, thrown: unknown, where: string, bytes: number): void {
    this.#session.intake.end(bytes)
    const error = toNitkaError(thrown)
    if (error.code === 'internal') this.#onInternal(thrown, where)
    this.#fail(id, errors[error.code].rpc, error)
  }

  #fail(id: RpcId | undefined, code: number, error: NitkaError): void {
    if (id === undefined || this.#session.ended !== undefined) return
    const { retry } = errors[error.code]
    const data = { code: error.code, retry, ...(error.field === undefined ? {} : { field: error.field }) }
    this.#session.reply(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: error.message, data } }))
  }
}

function tooManyCalls(): NitkaError {
  return new NitkaError('overloaded', 'too many calls are under way; wait for some of their answers')
}

type RpcId = string | number | null

/** Whether it is a call, be it one beyond our bounds. */
export function isCall(text: string): boolean {
  const value = jsonIn(text)
  return isObject(value) && value.jsonrpc === '2.0'
}

/** What is JSON, and was refused all the same: whoever called is told. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Undefined: a notification, which is never answered. */
function idOf(call: Record<string, unknown>): RpcId | undefined {
  const { id } = call
  if (id === undefined) return undefined
  return typeof id === 'string' || typeof id === 'number' ? id : null
}
