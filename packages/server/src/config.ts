// The options: one table from which come the environment names, the flags, the defaults, the checks and the reference
// page. Read once at start, all faults told together, then frozen.

import { readFileSync } from 'node:fs'
import { isObject, NitkaError, parseJson } from '@nitka/protocol'
import { type GeneratorOptions, readGenerator } from './tasks/generator.ts'

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
  data: text('./data', 'Folder of the embedded store.'),
  allowOpen: flag('Serve without authentication on an address that is not loopback.'),
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
    'All outboxes together; above it the largest are closed. 0: no limit.',
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
  handshakes: number(1_000, [0, 1_000_000], 'Connections taken a second; more are told to come back. 0: no limit.'),
  handshakeBurst: number(2_000, [1, 1_000_000], 'Connections taken at once before that counts.'),
  subscriptions: number(128, [0, 1_000_000], 'Rooms and channels that one connection joins. 0: no limit.'),
  roomsPerUser: number(1_000, [0, 10_000_000], 'Rooms that a user is a member of. 0: no limit.'),
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
  socketHost: text('127.0.0.1', 'Address of the TCP port for requests, or the path of a Unix socket.'),
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
  webhookAfterMs: number(30_000, [0, 24 * hour], 'How long a message may stay undelivered before it is posted.'),
  webhookSecret: text('', 'Signs those posts: HMAC-SHA256 of the body, hex, in `Nitka-Signature`. Empty: unsigned.'),
  logLevel: text('info', '`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`.'),
} as const satisfies Record<string, Option>

export type OptionName = keyof typeof options

type ValueOf<O extends Option> = O extends { kind: 'number' }
  ? number
  : O extends { kind: 'flag' }
    ? boolean
    : O extends { kind: 'list' }
      ? readonly string[]
      : string

export type Config = { readonly [Name in OptionName]: ValueOf<(typeof options)[Name]> }

/** What code may ask for: `generate` as an object, too. */
export type Wishes = Partial<Omit<Config, 'generate'>> & { readonly generate?: string | GeneratorOptions }

const choices: Partial<Record<OptionName, readonly string[]>> = {
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

/** Where a raw value comes from, for the error. */
interface Given {
  readonly value: unknown
  readonly from: string
}

/**
 * The configuration from code, over the defaults.
 * @throws NitkaError `invalid`, all faults in its message
 */
export function configure(wishes: Wishes = {}): Config {
  const given = new Map<OptionName, Given>()
  const faults: string[] = []
  for (const [name, value] of Object.entries(wishes)) {
    if (Object.hasOwn(options, name)) given.set(name as OptionName, { value, from: name })
    else faults.push(`${name} is not an option${suggestion(name, Object.keys(options))}`)
  }
  return build(given, faults)
}

/**
 * The configuration of a process: flags over the environment over `.env` over the file over the defaults. The file is
 * JSON, named by the flag `config` or by `NITKA_CONFIG`: an object with the names of `options`.
 * @param flags by flag name, without the dashes
 * @throws NitkaError `invalid`, all faults in its message
 */
export function configureProcess(
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
): Config {
  const given = new Map<OptionName, Given>()
  const faults: string[] = []
  const names = Object.keys(options) as OptionName[]
  const byEnvironment = new Map(names.map((name) => [environmentName(name), name]))
  const byFlag = new Map(names.map((name) => [flagName(name), name]))
  const { config: file = environment[configVariable], ...rest } = flags
  if (file !== undefined) readConfigFile(String(file), given, faults)
  // Short names first: a long one, read later, wins.
  const sorted = Object.entries(environment).sort(([a], [b]) => Number(alias.has(b)) - Number(alias.has(a)))
  for (const [key, value] of sorted) {
    if (key === configVariable || value === undefined) continue
    const name = byEnvironment.get(key) ?? alias.get(key)
    if (name !== undefined) given.set(name, { value, from: key })
    else if (key.startsWith('NITKA_'))
      faults.push(`${key} is not an option${suggestion(key, [...byEnvironment.keys()])}`)
  }
  for (const [key, value] of Object.entries(rest)) {
    const name = byFlag.get(key)
    if (name !== undefined) given.set(name, { value, from: `--${key}` })
    else faults.push(`--${key} is not an option${suggestion(key, [...byFlag.keys()])}`)
  }
  return build(given, faults)
}

const configVariable = 'NITKA_CONFIG'

/** Names that existing clients of the TCP port use; the long ones come first. */
const alias: ReadonlyMap<string, OptionName> = new Map([
  ['SOCKET_HOST', 'socketHost'],
  ['SOCKET_PORT', 'socketPort'],
])

function readConfigFile(path: string, given: Map<OptionName, Given>, faults: string[]): void {
  let content: unknown
  try {
    content = parseJson(readFileSync(path, 'utf8'))
  } catch (error) {
    faults.push(`the file ${path} cannot be read: ${(error as Error).message}`)
    return
  }
  if (!isObject(content)) {
    faults.push(`the file ${path} must hold a JSON object`)
    return
  }
  for (const [name, value] of Object.entries(content)) {
    if (Object.hasOwn(options, name)) given.set(name as OptionName, { value, from: `${name} in ${path}` })
    else faults.push(`${name} in ${path} is not an option${suggestion(name, Object.keys(options))}`)
  }
}

/** The environment with what `.env` adds to it. A missing file adds nothing. */
export function withDotEnv(
  environment: Readonly<Record<string, string | undefined>>,
  path = '.env',
): Record<string, string | undefined> {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch {
    return { ...environment }
  }
  const added: Record<string, string> = {}
  for (const line of content.split('\n')) {
    const found = /^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line)
    if (found?.[1] === undefined) continue
    added[found[1]] = (found[2] ?? '').replace(/^(["'])(.*)\1$/, '$2')
  }
  return { ...added, ...environment }
}

function build(given: ReadonlyMap<OptionName, Given>, faults: string[]): Config {
  const config: Record<string, unknown> = {}
  for (const [name, option] of Object.entries(options) as [OptionName, Option][]) {
    const wish = given.get(name)
    config[name] = wish === undefined ? option.default : read(name, option, wish, faults)
  }
  if (faults.length > 0) throw new NitkaError('invalid', faults.join('; '))
  return Object.freeze(config) as Config
}

function read(name: OptionName, option: Option, { value, from }: Given, faults: string[]): unknown {
  if (option.kind === 'flag') {
    if (value === true || value === 'true' || value === '1') return true
    if (value === false || value === 'false' || value === '0') return false
    faults.push(`${from} must be true or false, not ${JSON.stringify(value)}`)
  } else if (option.kind === 'list') {
    if (Array.isArray(value)) return value.flatMap((item) => splitList(String(item)))
    return splitList(String(value))
  } else if (option.kind === 'number') {
    const { min = 0, max = Number.MAX_SAFE_INTEGER } = option
    const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    if (typeof parsed === 'number' && Number.isInteger(parsed) && parsed >= min && parsed <= max) return parsed
    faults.push(`${from} must be an integer from ${min} to ${max}, not ${JSON.stringify(value)}`)
  } else if (name === 'generate') {
    return readGenerate({ value, from }, faults)
  } else {
    const known = choices[name]
    if (known === undefined || known.includes(String(value))) return String(value)
    faults.push(`${from} must be one of ${known.join(', ')}, not ${JSON.stringify(value)}`)
  }
  return option.default
}

/** As text, checked; an object is written as such. */
function readGenerate({ value, from }: Given, faults: string[]): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  try {
    readGenerator(text)
    return text
  } catch (error) {
    faults.push(`${from}: ${(error as Error).message}`)
    return ''
  }
}

function splitList(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function suggestion(wrong: string, known: readonly string[]): string {
  const best = known
    .map((name) => ({ name, steps: distance(wrong.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.steps - b.steps)[0]
  return best !== undefined && best.steps <= Math.max(2, wrong.length / 3) ? `; did you mean ${best.name}?` : ''
}

/** Edit distance (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const above = row
    row = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, swap))
    }
  }
  return row[b.length] ?? 0
}
