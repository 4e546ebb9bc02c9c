// Who is it, and what may they do? `open` takes the word of the query and is for development; tokens come in by the same port.

import { NitkaError, userName } from '@nitka/protocol'
import { allows } from './allow-list.ts'

/** What somebody shows to be known by. */
export interface Credentials {
  readonly query: URLSearchParams
  readonly authorization: string | undefined
  /** The WebSocket subprotocols that were offered. */
  readonly protocols: readonly string[]
  /** From the first rpc call. */
  readonly token: string | undefined
  /** Where it comes from; '' on a Unix socket. */
  readonly address: string
}

/** Who somebody is, and what comes with it. */
export interface Identity {
  /** '' for nobody in particular, the application's backend for one. */
  readonly user: string
  /** When it ends, wall time in milliseconds since 1970. Absent: never. */
  readonly expiresAt?: number
  /** What it permits, as in the claim `nitka`: `tasks.work:mail`, `rooms.*`, `*`. Absent: everything. */
  readonly allow?: readonly string[]
}

/** Nobody in particular, where that is fine. */
export const nobody: Identity = { user: '' }

/** Not known yet: may do nothing. */
export const stranger: Identity = { user: '', allow: [] }

/** Says who somebody is. */
export interface Authenticator {
  /** Who it is, or undefined when nothing was offered. @throws NitkaError `unauthenticated`, `invalid` */
  identify(credentials: Credentials): Promise<Identity | undefined>
  /** True: everybody has to say who they are, also where nobody in particular would be fine. */
  readonly required?: boolean
  /** Told to whoever offers nothing: how to say who one is. */
  readonly hint?: string
}

/** @throws NitkaError `unauthenticated` who it is must be known, and nothing was offered */
export function refuseUnknown({ hint, required }: Authenticator): never {
  const field = required === true ? 'token' : 'user'
  throw new NitkaError('unauthenticated', hint ?? 'say who you are with ?user=', { field })
}

/** A token that was good once: whoever shows it does not guess. */
export class ExpiredToken extends NitkaError {
  constructor() {
    super('unauthenticated', 'the token has expired', { field: 'token' })
  }
}

/** Identity from `?user=`. */
export const openAuthenticator: Authenticator = {
  async identify({ query, token }) {
    const users = query.getAll('user')
    if (users.length > 1) throw new NitkaError('invalid', 'user is given more than once', { field: 'user' })
    const name = users[0] ?? token
    return name === undefined ? undefined : { user: userName(name, 'user') }
  },
}

/** @throws NitkaError `unauthenticated` a user is needed here, and this is nobody in particular */
export function refuseNameless(): never {
  throw new NitkaError('unauthenticated', 'the token names no user, and one is needed here', { field: 'token' })
}

/** What a caller may want to do. */
export type Action =
  | 'relay.join'
  | 'rooms.create'
  | 'rooms.join'
  | 'direct.send'
  | 'backend.send'
  | 'tasks.add'
  | 'tasks.work'
  | 'tasks.report'
  | 'tasks.read'
  | 'admin.tasks'
  | 'requests.call'
  | 'requests.execute'
  | 'requests.read'
  | 'pools.acquire'
  | 'pools.read'
  | 'admin.pools'
  | 'admin.metrics'
  | 'admin.trace'

/** Whether `user` ('' for the application's backend) may do it. Asked before anything is read or written. */
export type Authorize = (user: string, action: Action, target: string) => boolean | Promise<boolean>

export const allowAll: Authorize = () => true

/** What comes with the identity and the hook must both permit it. */
function permitted(authorize: Authorize, who: Identity, action: Action, target: string): boolean | Promise<boolean> {
  return (who.allow === undefined || allows(who.allow, action, target)) && authorize(who.user, action, target)
}

/** @throws NitkaError `forbidden` */
export async function demand(authorize: Authorize, who: Identity, action: Action, target: string): Promise<void> {
  if (!(await permitted(authorize, who, action, target))) refuse(action)
}

/**
 * One connection's questions to `authorize`, answered in the order in which they were asked, so that a slow answer does
 * not let what was sent later be stored first.
 */
export class Permits {
  readonly #authorize: Authorize
  #last: Promise<unknown> | undefined

  constructor(authorize: Authorize) {
    this.#authorize = authorize
  }

  /** Undefined: permitted, go on at once. @throws NitkaError `forbidden`, also as a rejection */
  demand(who: Identity, action: Action, target: string): Promise<void> | undefined {
    const answer = permitted(this.#authorize, who, action, target)
    if (this.#last === undefined && typeof answer === 'boolean') return answer ? undefined : refuse(action)
    return this.#inTurn(answer).then((mine) => {
      if (!mine) refuse(action)
    })
  }

  /** Resolves when all that was asked before is answered: for what ends something that may have to be permitted still. */
  turn(): Promise<unknown> | undefined {
    return this.#last === undefined ? undefined : this.#inTurn(true).then(() => undefined)
  }

  #inTurn(answer: boolean | Promise<boolean>): Promise<boolean> {
    const settled = Promise.allSettled([this.#last, answer])
    this.#last = settled
    return settled.then(([, mine]) => {
      if (this.#last === settled) this.#last = undefined
      if (mine.status === 'rejected') throw mine.reason
      return mine.value
    })
  }
}

function refuse(action: Action): never {
  throw new NitkaError('forbidden', `${action} is not permitted`)
}
