// Sizes and counts that both ends know. Those that an operator can change are options of the server; these cannot be.

export const limits = {
  /** Bytes of UTF-8 in a user id, a room's name or a device name. */
  nameBytes: 128,
  /** Bytes of UTF-8 in a client message id. */
  clientIdBytes: 64,
  /** Entries in one page of history. */
  pageMax: 500,
  pageDefault: 50,
  /** Nesting of a JSON value. */
  jsonDepth: 32,
  /** Keys of all objects of a JSON value. */
  jsonKeys: 1_000,
  /** Where there may be lists: of tasks, of reports, each with some keys. */
  listKeys: 100_000,
  /** Operations in one `POST /batch`. */
  batchMax: 500,
  /** Tasks in a worker's batch, and tasks added in one call. */
  tasksMax: 1_000,
  /** Reports in one call. */
  reportsMax: 10_000,
  /** Resources in one call. */
  resourcesMax: 1_000,
  /** Characters of JSON of what an executor returns. */
  resultMax: 1024 * 1024,
  /** Characters of the reason of a failure. */
  reasonMax: 1_000,
} as const

/** The version of the rpc dialect, in `session.hello`. */
export const protocolVersion = 1

/** The WebSocket subprotocol by which a client says, at the upgrade, that it will speak rpc. */
export const rpcSubprotocol = 'nitka.rpc.v1'

/** The same for a plain dialect: browsers want one of those that they offer to be taken, and a token is not. */
export const plainSubprotocol = 'nitka.plain.v1'

/** Begins the subprotocol that is a token. It is offered beside one of the others and never echoed. */
export const tokenSubprotocol = 'nitka.token.'
