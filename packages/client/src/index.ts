// @nitka/client: the client of a Nitka server, for browsers, Node, Bun and Deno.

import type { Contract } from './contract.ts'
import { Nitka, type NitkaOptions } from './nitka.ts'
import { dialWebSocket, webSocketAddress } from './websocket-wire.ts'

export type * from './answers.ts'
export type { CallOptions } from './calls.ts'
export type { Contract } from './contract.ts'
export type { Direct, DirectQuery } from './direct.ts'
export { type ErrorCode, NitkaError } from './errors.ts'
export type { MessagesOptions } from './feed.ts'
export type { Gap } from './follower.ts'
export type { Hold } from './hold.ts'
export type { Inbox, InboxEvents, InboxOptions } from './inbox.ts'
export type { Because } from './leased.ts'
export type { Hello, LineEvents, State, StateChange } from './line-terms.ts'
export type { Nitka, NitkaOptions } from './nitka.ts'
export type { AcquireOptions, BookWish, Pools } from './pools.ts'
export type { RelayChannel, RelayEvents } from './relay.ts'
export type { HandleOptions, RequestContext, RequestHandler, RequestOptions, Requests } from './requests.ts'
export type { Room, RoomEvents } from './room.ts'
export type { JoinOptions, Rooms } from './rooms.ts'
export type { SendOptions } from './sending.ts'
export type { QueueSettings, TaskPage, TaskQuery, Tasks } from './tasks.ts'
export type { TokenSource } from './tokens.ts'
export type { Task, TaskContext, TaskHandler, Worker, WorkerEvents, WorkOptions } from './worker.ts'

/**
 * Connects to a server, and stays connected until `close`. Returns at once; what is called before it is live waits.
 * @param url `https://example.org`, `ws://127.0.0.1:8080`, in a browser also a path; with `/ws` or without
 * @throws NitkaError `invalid` when the address is none
 */
export function connect<App extends Contract = Contract>(url: string | URL, options: NitkaOptions = {}): Nitka<App> {
  return new Nitka<App>(dialWebSocket(webSocketAddress(url)), options)
}
