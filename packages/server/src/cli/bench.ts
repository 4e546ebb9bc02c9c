// nitka bench: how much a server, and this machine, can do. The load comes from this process, through the client library.

import { availableParallelism, tmpdir } from 'node:os'
import { NitkaError as ClientError } from '@nitka/client'
import { NitkaError } from '@nitka/protocol'
import { realWorld, sleep, type World } from '../world.ts'
import { Stage, type Subject, subjects } from './bench/load.ts'
import { loads } from './bench/loads.ts'
import { type Measured, Meter } from './bench/meter.ts'
import { type OwnServer, startOwnServer } from './bench/own-server.ts'
import { type Command, readArguments } from './command.ts'
import { Progress } from './progress.ts'
import { printable, type Target, targetOf } from './server-call.ts'
import { Table } from './table.ts'
import { usage } from './usage.ts'

const ranges = { clients: [2, 1_000, 10], seconds: [1, 300, 5], size: [64, 60_000, 128] } as const
const warmUpMs = 500
/** How long what is under way at the end is awaited. */
const endingMs = 10_000
const pollMs = 100

interface Asked {
  readonly subjects: readonly Subject[]
  /** Undefined: a server of its own. */
  readonly target: Target | undefined
  readonly token: string | undefined
  readonly clients: number
  readonly seconds: number
  readonly size: number
  readonly json: boolean
  readonly parent: string
  readonly durability: string
}

interface Result extends Measured {
  readonly subject: Subject
  readonly messagesPerSecond: number
  readonly deliveriesPerSecond: number
  /** Of the server's process; absent when it does not say. */
  readonly serverBytes?: number
}

export async function bench(args: readonly string[], { flags }: Command): Promise<number> {
  const asked = usage(() => readWishes(args, flags))
  if (asked === undefined) return 2
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())
  const own = asked.target === undefined ? await startOwnServer(orderOf(asked)) : undefined
  try {
    return await measureAll(asked, own, stop.signal)
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    console.error(`nitka: ${printable(error.message)}`)
    return 1
  } finally {
    await own?.stop()
  }
}

/** @throws NitkaError `invalid` */
function readWishes(args: readonly string[], flags: Command['flags']): Asked {
  const { config, rest, own, on } = readArguments(args, flags, 1)
  const [subject] = rest
  const known = subjects.find((one) => one === subject)
  if (subject !== undefined && known === undefined) {
    throw new NitkaError('invalid', `${subject} is no service; there are ${subjects.join(', ')}`)
  }
  const number = (name: keyof typeof ranges): number => {
    const [least, most, otherwise] = ranges[name]
    const value = own[name] ?? `${otherwise}`
    if (!/^\d{1,6}$/.test(value) || Number(value) < least || Number(value) > most) {
      throw new NitkaError('invalid', `--${name} must be a whole number from ${least} to ${most}, not ${value}`)
    }
    return Number(value)
  }
  const target = own.url === undefined ? undefined : targetOf(own.url, config)
  return {
    subjects: known === undefined ? subjects : [known],
    target,
    token: target === undefined || config.authToken === '' ? undefined : config.authToken,
    ...{ clients: number('clients'), seconds: number('seconds'), size: number('size') },
    ...{ json: on.has('json'), parent: own.in ?? tmpdir(), durability: config.durability },
  }
}

function orderOf({ parent, durability }: Asked) {
  const open = { rate: 0, connectionsPerUser: 0, unanswered: 256, socketHost: '', logLevel: 'error' }
  return { parent, wishes: { port: 0, host: '127.0.0.1', durability, ...open } }
}

/** Resolves with the exit code. */
async function measureAll(asked: Asked, own: OwnServer | undefined, signal: AbortSignal): Promise<number> {
  const world = realWorld()
  const target = asked.target ?? { url: (own as OwnServer).url, headers: {} }
  const { clients, size, seconds } = asked
  const results: Result[] = []
  for (const subject of asked.subjects) {
    if (signal.aborted) break
    results.push(await measure(subject, asked, target, world, signal))
  }
  const shared = own !== undefined || /^(localhost|127\..*|\[::1\])$/.test(target.url.hostname)
  const cores = availableParallelism()
  const setting = { server: own === undefined ? target.url.origin : 'own', shared, cores, clients, size, seconds }
  if (asked.json) console.log(JSON.stringify({ ...setting, results }))
  else {
    for (const line of linesOf(results)) console.log(line)
    console.error(`\n${clients} clients, ${size} bytes a message, ${seconds} s each. ${remarkOn(asked, shared, cores)}`)
  }
  // Whoever ended it wanted no more than there is.
  return signal.aborted || results.every(({ deliveries }) => deliveries > 0) ? 0 : 1
}

function remarkOn({ target }: Asked, shared: boolean, cores: number): string {
  const where = shared
    ? `Server and clients shared this machine and its ${cores} cores: apart the server does more.`
    : 'The way to the server is a part of the latency.'
  const limits = target === undefined ? '' : ' Limits of that server hold, such as `rate` for each connection.'
  return `${where}${limits} The latency is that under full load.`
}

async function measure(
  subject: Subject,
  { clients, seconds, size, token }: Asked,
  target: Target,
  { clock, random }: World,
  signal: AbortSignal,
): Promise<Result> {
  const meter = new Meter(clock)
  const prefix = `bench-${Buffer.from(random.bytes(6)).toString('hex')}`
  const progress = new Progress(`measuring ${subject}`, seconds, clock)
  const stage = await Stage.open({ target, token, clients, bytes: size, prefix, meter, clock })
  try {
    const end = await loads[subject](stage)
    await sleep(clock, warmUpMs)
    meter.begin()
    const begun = clock.monotonic()
    for (let done = 0; done < seconds && !signal.aborted; done = (clock.monotonic() - begun) / 1_000) {
      progress.at(done, `${grouped(perSecond(meter.deliveries, done))} deliveries/s`)
      await sleep(clock, Math.min(pollMs, seconds * 1_000))
    }
    const measured = meter.read()
    const serverBytes = await residentBytes(target)
    await Promise.race([end(), sleep(clock, endingMs)])
    return {
      subject,
      ...measured,
      messagesPerSecond: perSecond(measured.messages, measured.seconds),
      deliveriesPerSecond: perSecond(measured.deliveries, measured.seconds),
      ...(serverBytes === undefined ? {} : { serverBytes }),
    }
  } finally {
    progress.end()
    stage.close()
  }
}

function perSecond(count: number, seconds: number): number {
  return seconds === 0 ? 0 : Math.round(count / seconds)
}

/** What the server's process holds in memory; undefined when it does not tell, or does not tell us. */
async function residentBytes({ url, headers }: Target): Promise<number | undefined> {
  try {
    const response = await fetch(new URL('/metrics', url), { headers, signal: AbortSignal.timeout(endingMs) })
    const value = /^process_resident_memory_bytes (\S+)$/m.exec(await response.text())?.[1]
    return value === undefined ? undefined : Number(value)
  } catch {
    return undefined
  }
}

function linesOf(results: readonly Result[]): string[] {
  const titles = ['service', 'messages/s', 'deliveries/s', 'p50 ms', 'p99 ms', 'max ms', 'errors', 'server MiB']
  const rows = results.map(({ subject, messagesPerSecond, deliveriesPerSecond, errors, latencyMs, serverBytes }) => [
    subject,
    grouped(messagesPerSecond),
    grouped(deliveriesPerSecond),
    ...[latencyMs?.p50, latencyMs?.p99, latencyMs?.max].map((ms) => (ms === undefined ? '-' : ms.toFixed(2))),
    grouped(errors),
    serverBytes === undefined ? '-' : `${Math.round(serverBytes / 2 ** 20)}`,
  ])
  return new Table(titles, Number.POSITIVE_INFINITY).lines(rows)
}

function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
