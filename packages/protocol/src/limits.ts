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
  /** Operations in one `POST /batch`. */
  batchMax: 500,
  /** Tasks in a worker's batch, and tasks added in one call. */
  tasksMax: 1_000,
  /** Reports in one call. */
  reportsMax: 10_000,
  /** Resources in one call. */
  resourcesMax: 1_000,
  /** Characters of the reason of a failure. */
  reasonMax: 1_000,
} as const

/** The version of the rpc dialect, in `session.hello`. */
export const protocolVersion = 1

/** The WebSocket subprotocol by which a client says, at the upgrade, that it will speak rpc. */
export const rpcSubprotocol = 'nitka.rpc.v1'
