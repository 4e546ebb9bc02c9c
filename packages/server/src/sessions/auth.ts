// Who is it? `open` takes the word of the query and is for development. The port is where tokens go.

import { NitkaError, userName } from '@nitka/protocol'

export interface Credentials {
  readonly query: URLSearchParams
  readonly authorization: string | undefined
  /** The WebSocket subprotocols that were offered. */
  readonly protocols: readonly string[]
  /** From the first rpc call. */
  readonly token: string | undefined
}

export interface Authenticator {
  /** The user, or undefined when nothing was offered. @throws NitkaError `unauthenticated`, `invalid` */
  identify(credentials: Credentials): Promise<string | undefined>
}

/** Identity from `?user=`. */
export const openAuthenticator: Authenticator = {
  async identify({ query, token }) {
    const users = query.getAll('user')
    if (users.length > 1) throw new NitkaError('invalid', 'user is given more than once', { field: 'user' })
    const name = users[0] ?? token
    return name === undefined ? undefined : userName(name, 'user')
  },
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

/** @throws NitkaError `forbidden` */
export async function demand(authorize: Authorize, user: string, action: Action, target: string): Promise<void> {
  if (!(await authorize(user, action, target))) refuse(action)
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
  demand(user: string, action: Action, target: string): Promise<void> | undefined {
    const answer = this.#authorize(user, action, target)
    if (this.#last === undefined && typeof answer === 'boolean') return answer ? undefined : refuse(action)
    const settled = Promise.allSettled([this.#last, answer])
    this.#last = settled
    return settled.then(([, mine]) => {
      if (this.#last === settled) this.#last = undefined
      if (mine.status === 'rejected') throw mine.reason
      if (!mine.value) refuse(action)
    })
  }
}

function refuse(action: Action): never {
  throw new NitkaError('forbidden', `${action} is not permitted`)
}
