// The options: one table from which come the environment names, the flags, the defaults, the checks and the reference
// page.

type Kind = 'text' | 'number' | 'flag' | 'list'

export interface Option {
  readonly kind: Kind
  readonly default: string | number | boolean | readonly string[]
  readonly min?: number
  readonly max?: number
  readonly doc: string
}

function text(fallback: string, doc: string): Option & { kind: 'text'; default: string } {
  return { kind: 'text', default: fallback, doc }
}
function flag(doc: string): Option & { kind: 'flag'; default: boolean } {
  return { kind: 'flag', default: false, doc }
}
function list(doc: string): Option & { kind: 'list'; default: readonly string[] } {
  return { kind: 'list', default: [], doc }
}
function number(fallback: number, range: [number, number], doc: string): Option & { kind: 'number'; default: number } {
  return { kind: 'number', default: fallback, min: range[0], max: range[1], doc }
}

const hour = 3_600_000
const gigabyte = 2 ** 30

/** Every option. Names end in their unit. `pulseMs` is `NITKA_PULSE_MS` in the environment and `--pulse-ms` as a flag. */
export const options = {
  host: text('127.0.0.1', 'Address to listen on.'),
  port: number(8080, [0, 65_535], 'Port for HTTP and WebSocket. 0: any free one.'),
  sharePort: flag('Other processes of this machine may listen on the same ports; the system spreads connections.'),
  data: text('./data', 'Folder of the embedded store.'),
  postgresUrl: text(
    '',
    'Postgres of a cluster, `postgres://user:password@host:port/database`, with `?sslmode=verify-full&sslrootcert=FILE` for TLS. With `natsUrl`: the cluster engine.',
  ),
  natsUrl: text('', 'NATS of a cluster, `nats://user:password@host:port`, or `tls://…`, several separated by commas.'),
  natsCredentials: text('', 'File of credentials for NATS, as `nsc` writes it. Empty: what `natsUrl` says.'),
  natsCa: text('', 'File with the authorities that NATS is known by; TLS is demanded then. Empty: those of Node.'),
  natsCert: text('', 'File with the certificate that a node shows to NATS. Empty: none.'),
  natsKey: text('', 'File with its key. Empty: none.'),
  postgresConnections: number(8, [1, 1_000], 'Connections of a node to Postgres, besides one for its lease.'),
  postgresMs: number(3_000, [100, 600_000], 'How long a statement may take.'),
  sweepMs: number(2_000, [100, hour], 'How often a node of a cluster asks the store what it did not hear of.'),
  readyWithoutBus: flag('A node of a cluster that has lost the bus still says that it is ready.'),
  allowOpen: flag('Serve without authentication on an address that is not loopback.'),
  authMode: text('open', '`open`: users are whom they say to be, for development. `jwt`: they show a token.'),
  authSecret: text('', 'Shared secret of HS256 tokens, 32 bytes or more. Empty: none.'),
  authPublicKey: text('', 'Public key of RS256, ES256 or EdDSA tokens: a PEM, or a file with it. Empty: none.'),
  authJwksUrl: text('', 'URL of such keys (JWKS). Empty: none.'),
  authAlgorithms: list('Algorithms that are taken: `HS256`, `RS256`, `ES256`, `EdDSA`. None: what fits the key.'),
  authAudience: text('', 'What tokens must have in `aud`. Empty: anything.'),
  authIssuer: text('', 'What tokens must have as `iss`. Empty: anything.'),
  authSkewMs: number(5_000, [0, 30_000], 'How far the clock of the issuer of tokens may be off.'),
  authToken: text('', 'Token that commands such as `nitka tasks` show to the server. Empty: none.'),
  acceptLoss: flag('Open a store that lost confirmed messages, and go on with a new epoch.'),
  origins: list('Origins of web pages that may connect besides the server’s own, exact. `*`: any.'),
  hosts: list('Names and addresses, without port, by which clients may reach the server besides loopback. `*`: any.'),
  durability: text('disk', '`disk`: confirmed means synced. `relaxed`: confirmed may be lost with the machine; loud.'),
  reserveBytes: number(
    256 * 2 ** 20,
    [0, 1024 * gigabyte],
    'Free disk space below which nothing more is stored. 0: off.',
  ),
  dedupeMs: number(24 * hour, [1_000, 30 * 24 * hour], 'How long a client message id is remembered.'),
  pulseMs: number(2, [0, 1_000], 'Longest wait before a busy outbox is written.'),
  payloadBytes: number(64 * 1024, [1, 16 * 2 ** 20], 'Largest message.'),
  outboxBytes: number(
    256 * 1024,
    [0, gigabyte],
    'What an outbox holds before durable subscriptions stop and read later. 0: no limit.',
  ),
  outboxTotalBytes: number(
    256 * 2 ** 20,
    [0, 1024 * gigabyte],
    'All outboxes together; above it the largest are closed. Left alone: at most a quarter of the memory. 0: no limit.',
  ),
  replyBytes: number(
    2 * 2 ** 20,
    [1_024, gigabyte],
    'Answers that may wait for a connection that does not read; one more may come on top.',
  ),
  rate: number(
    1_000,
    [0, 10_000_000],
    'Messages a second from one connection; above it is read more slowly. 0: no limit.',
  ),
  burst: number(2_000, [1, 10_000_000], 'Messages that a connection may send at once before the rate counts.'),
  userRates: number(
    2,
    [0, 1_000_000],
    'How many times `rate` and `burst` one user has, over all connections but those of the TCP port. 0: no limit.',
  ),
  joins: number(50, [0, 1_000_000], 'Joins a second of one connection; above it is read more slowly. 0: no limit.'),
  unanswered: number(64, [0, 100_000], 'Calls of one connection under way before it is read more slowly. 0: no limit.'),
  unansweredBytes: number(2 ** 20, [0, gigabyte], 'Bytes of such calls. 0: no limit.'),
  poolMessages: number(1_024, [0, 10_000_000], 'Relay messages that wait for a client. 0: no limit.'),
  poolBytes: number(2 ** 20, [0, gigabyte], 'Bytes of such messages. 0: no limit.'),
  retryMs: number(100, [1, 60_000], 'How long a relay client may take nothing before that is a failed attempt.'),
  attempts: number(50, [1, 1_000_000], 'Failed attempts after which a waiting relay message is dropped.'),
  pingMs: number(25_000, [0, hour], 'Silence after which a WebSocket is pinged. 0: never.'),
  pongMs: number(10_000, [1, hour], 'Silence after a ping, or after a goodbye, after which it is cut off.'),
  stallMs: number(30_000, [0, hour], 'How long a connection may read nothing of what waits for it. 0: for ever.'),
  helloMs: number(10_000, [0, hour], 'How long a connection may stay without a user. 0: for ever.'),
  drainMs: number(20_000, [0, hour], 'How long a stopping server takes to send its connections away.'),
  preStopMs: number(
    0,
    [0, 60_000],
    'How long a stopping server still accepts, so that balancers notice that it is not ready.',
  ),
  connections: number(50_000, [0, 10_000_000], 'Connections of this node. 0: no limit.'),
  connectionsPerUser: number(32, [0, 1_000_000], 'Connections of one user. 0: no limit.'),
  connectionsPerAddress: number(
    256,
    [0, 10_000_000],
    'Connections from one address; loopback is not counted. 0: no limit.',
  ),
  unauthenticated: number(1_000, [0, 10_000_000], 'Connections whose user is not known yet. 0: no limit.'),
  unauthenticatedPerAddress: number(32, [0, 10_000_000], 'Those of one address; loopback is not counted. 0: no limit.'),
  failedLogins: number(
    10,
    [0, 1_000_000],
    'Wrong tokens a minute from one address before more are told to come back; loopback is not counted. 0: no limit.',
  ),
  handshakes: number(1_000, [0, 1_000_000], 'Connections taken a second; more are told to come back. 0: no limit.'),
  handshakeBurst: number(2_000, [1, 1_000_000], 'Connections taken at once before that counts.'),
  subscriptions: number(128, [0, 1_000_000], 'Rooms and channels that one connection joins. 0: no limit.'),
  roomsPerUser: number(1_000, [0, 10_000_000], 'Rooms that a user is a member of. 0: no limit.'),
  roomsPerHour: number(
    100,
    [0, 10_000_000],
    'Rooms that a user creates in an hour, on a node; not counted where nobody is asked who they are. 0: no limit.',
  ),
  membersPerRoom: number(10_000, [0, 10_000_000], 'Members of a room. 0: no limit.'),
  leaseMs: number(5_000, [100, hour], 'How long a worker has for a task that does not say.'),
  maxAttempts: number(3, [1, 100], 'Failed attempts after which a task that does not say is a dead letter.'),
  backoffMs: number(1_000, [0, hour], 'How long a task waits after its first failure; longer after each.'),
  backoffMaxMs: number(300_000, [0, 24 * hour], 'How long at most.'),
  taskBytes: number(64 * 1024, [2, 2 ** 20], 'Largest payload of a task.'),
  queueTasks: number(10_000_000, [0, 1_000_000_000], 'Tasks that may wait in a queue. 0: no limit.'),
  doneMs: number(hour, [0, 30 * 24 * hour], 'How long a done task is kept.'),
  releaseOnDisconnect: flag('End the leases of a worker with its connection, instead of letting them run on.'),
  commentMs: number(15_000, [100, hour], 'Time between comments on a stream of tasks.'),
  streamsPerUser: number(16, [0, 1_000_000], 'Streams of tasks of one named user. 0: no limit.'),
  generate: text('', 'Makes tasks by itself, as JSON: `{"queue":"default","rate":2,"backlog":20}`. Empty: none.'),
  socketHost: text(
    '127.0.0.1',
    'Address of the TCP port for requests, or the path of a Unix socket. Empty: no such port.',
  ),
  socketPort: number(41_969, [0, 65_535], 'Its port. 0: any free one.'),
  socketBytes: number(2 ** 20, [1_024, 64 * 2 ** 20], 'Largest value on a TCP connection.'),
  socketCert: text('', 'File with the certificate of the TCP port. Empty: no TLS.'),
  socketKey: text('', 'File with its key.'),
  socketRate: number(0, [0, 10_000_000], 'Values a second from one TCP connection. 0: no limit.'),
  socketUnanswered: number(
    256,
    [0, 100_000],
    'Requests of one TCP connection under way before it is read more slowly.',
  ),
  requestMs: number(30_000, [0, hour], 'How long a request may run. 0: no limit.'),
  requestsWaiting: number(10_000, [0, 10_000_000], 'Requests of one type that may wait. 0: no limit.'),
  requestTypes: number(10_000, [1, 1_000_000], 'Types that may have an executor.'),
  executors: text('', 'Module with executors: its default export is `{type: async (payload, context) => result}`.'),
  queueReport: text('', 'How often the length of the queue of requests is logged, as `4s` or `500ms`. Empty: never.'),
  holdMs: number(60_000, [100, hour], 'How long a hold is kept that does not say.'),
  holdGraceMs: number(10_000, [0, hour], 'How long a hold outlives a connection that was lost.'),
  holdsPerConnection: number(64, [0, 1_000_000], 'Holds of one connection, those that it waits for too. 0: no limit.'),
  waitersPerPool: number(10_000, [0, 10_000_000], 'Requests that may wait for one pool. 0: no limit.'),
  pools: number(10_000, [0, 10_000_000], 'Pools. 0: no limit.'),
  resourcesPerPool: number(100_000, [0, 10_000_000], 'Resources of one pool. 0: no limit.'),
  bookingsPerPool: number(100_000, [0, 10_000_000], 'Bookings of one pool. 0: no limit.'),
  webhookUrl: text('', 'Where messages that stay undelivered are posted. Empty: nowhere.'),
  presenceGraceMs: number(
    10_000,
    [0, 300_000],
    'How long who lost their last connection still counts as present in rooms. 0: not at all.',
  ),
  webhookAfterMs: number(30_000, [0, 24 * hour], 'How long a message may stay undelivered before it is posted.'),
  webhookSecret: text('', 'Signs those posts: HMAC-SHA256 of the body, hex, in `Nitka-Signature`. Empty: unsigned.'),
  logLevel: text('info', '`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`.'),
} as const satisfies Record<string, Option>

/** The name of an option. */
export type OptionName = keyof typeof options

/** What a text may be, where not every text will do. */
export const choices: Partial<Record<OptionName, readonly string[]>> = {
  authMode: ['open', 'jwt'],
  durability: ['disk', 'relaxed'],
  logLevel: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
}

/** `pulseMs` → `NITKA_PULSE_MS`. */
export function environmentName(name: OptionName): string {
  return `NITKA_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/** `pulseMs` → `pulse-ms`. */
export function flagName(name: OptionName): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
