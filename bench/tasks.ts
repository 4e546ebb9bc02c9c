// Question: how many tasks a second are added, handed out and settled, and what does a claim take while many wait?
// Measured: four producers that add arrays of 500, ten workers of batch 100 that settle a batch as soon as they have it, from
// the first add to the last settlement; one client process for all. Nitka over HTTP, beside BullMQ on Redis and beanstalkd,
// both with every change synced, and both with nothing on disk. Then one worker of Nitka, from report to next batch.
// Not measured: work, failures, more than one machine.
// Void: a run in which a task was lost or came twice.

import { Agent, get, request } from 'node:http'
import { beanstalkdRun } from './beanstalkd.ts'
import { startServer } from './server.ts'
import { installed, startPeer } from './servers/peers.ts'

export type TaskSystem = 'nitka' | 'bullmq' | 'beanstalkd'

/** `batch`: tasks that a worker has at most; `add`: tasks that a producer adds at once. */
export interface Shape {
  readonly workers: number
  readonly batch: number
  readonly producers: number
  readonly add: number
}

const shape: Shape = { workers: 10, batch: 100, producers: 4, add: 500 }
const topUp = 50 * shape.batch

/** Tasks a second. Undefined: the peer is not installed. */
export async function taskRate(system: TaskSystem, total: number, durable = true): Promise<number | undefined> {
  if (system === 'nitka') {
    const server = await startServer('nitka')
    try {
      return total / ((await nitkaRun(server.url, total)) / 1_000)
    } finally {
      await server.stop()
    }
  }
  const program = system === 'bullmq' ? 'redis' : 'beanstalkd'
  if (!installed(program)) {
    console.error(`${program} is not installed: ${system} is left out`)
    return undefined
  }
  // Loaded when it is asked for: the smoke test runs without the peers' packages.
  const run = system === 'bullmq' ? (await import('./bullmq.ts')).bullmqRun : beanstalkdRun
  const peer = await startPeer(program, durable)
  try {
    return total / ((await run(peer.port, total, shape)) / 1_000)
  } finally {
    await peer.stop()
  }
}

/**
 * Milliseconds from a report to the next batch of 100, and tasks a second of the one worker, while at least `waiting`
 * tasks wait: what was taken is added again after every 50 batches, outside the time.
 */
export async function claimLatency(
  waiting: number,
  claims = 500,
): Promise<{ p50: number; p99: number; perSecond: number }> {
  const server = await startServer('nitka')
  const client = new NitkaClient(server.url)
  try {
    await client.add(waiting + topUp)
    const times: number[] = []
    let taken = 0
    const enough = Promise.withResolvers<void>()
    let since = 0
    let gone = 0
    const stop = await client.work(shape.batch, async (ids) => {
      if (since > 0) {
        times.push(performance.now() - since)
        taken += ids.length
      }
      if (times.length === claims) return enough.resolve()
      gone += ids.length
      if (gone >= topUp) {
        await client.add(gone)
        gone = 0
      }
      since = performance.now()
      await client.report(ids)
    })
    await Promise.race([enough.promise, client.failed])
    stop()
    const perSecond = taken / (times.reduce((sum, one) => sum + one, 0) / 1_000)
    times.sort((a, b) => a - b)
    const quantile = (q: number): number => times[Math.ceil(times.length * q) - 1] ?? 0
    return { p50: quantile(0.5), p99: quantile(0.99), perSecond }
  } finally {
    client.close()
    await server.stop()
  }
}

/** @returns milliseconds from the first add to the last settlement */
async function nitkaRun(url: URL, total: number): Promise<number> {
  const client = new NitkaClient(url)
  const seen = new Set<string>()
  let settled = 0
  const finished = Promise.withResolvers<void>()
  const take = async (ids: readonly string[]): Promise<void> => {
    for (const id of ids) {
      if (seen.has(id)) throw new Error(`void: ${id} came twice`)
      seen.add(id)
    }
    await client.report(ids)
    settled += ids.length
    if (settled === total) finished.resolve()
  }
  const stops = await Promise.all(Array.from({ length: shape.workers }, () => client.work(shape.batch, take)))
  const begun = performance.now()
  await Promise.race([Promise.all([finished.promise, client.add(total)]), client.failed])
  const elapsed = performance.now() - begun
  const { queues } = await client.ask<{ queues: { ready: number; leased: number; dead: number; done: number }[] }>(
    'GET',
    '/queues',
  )
  const [queue] = queues
  if (settled !== total || queue?.done !== total || queue.ready + queue.leased + queue.dead > 0) {
    throw new Error(`void: ${settled} of ${total}, then ${JSON.stringify(queue)}`)
  }
  for (const stop of stops) stop()
  client.close()
  return elapsed
}

/** Nitka with nothing but HTTP. */
class NitkaClient {
  /** Rejects when a batch could not be taken. */
  readonly failed: Promise<never>
  readonly #fail: (error: unknown) => void
  readonly #url: URL
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })

  constructor(url: URL) {
    this.#url = url
    const { promise, reject } = Promise.withResolvers<never>()
    this.failed = promise
    this.#fail = reject
    promise.catch(() => undefined)
  }

  async add(total: number): Promise<void> {
    const { producers, add } = shape
    const adders = Array.from({ length: producers }, async (_, first) => {
      for (let i = first * add; i < total; i += producers * add) {
        const count = Math.min(add, total - i)
        const tasks = Array.from({ length: count }, (_, j) => ({ payload: { Period: 1 + ((i + j) % 1_000) } }))
        await this.ask('POST', '/tasks', tasks)
      }
    })
    await Promise.all(adders)
  }

  async report(ids: readonly string[]): Promise<void> {
    const answer = await this.ask<{ done: number; already?: number }>('POST', '/report', ids)
    if (answer.done !== ids.length || answer.already !== undefined) throw new Error(`void: ${JSON.stringify(answer)}`)
  }

  /** Takes batches. Resolves when the stream has begun, to what ends it. */
  work(batch: number, take: (ids: readonly string[]) => Promise<void>): Promise<() => void> {
    return new Promise((resolve) => {
      const asked = get(new URL(`/task?batchsize=${batch}`, this.#url), { agent: false }, (response) => {
        let rest = ''
        response.setEncoding('latin1')
        response.on('data', (chunk: string) => {
          const text = rest + chunk
          const at = text.lastIndexOf('\n\n')
          const end = at < 0 ? 0 : at + 2
          rest = text.slice(end)
          const events = text.slice(0, end)
          if (events.includes('event: lease-lost')) this.#fail(new Error('void: a lease was lost'))
          const ids = [...events.matchAll(/^id: (\w+)$/gm)].map(([, id = '']) => id)
          if (ids.length > 0) take(ids).catch(this.#fail)
        })
        response.on('error', () => undefined)
        resolve(() => asked.destroy())
      })
      asked.on('error', this.#fail)
    })
  }

  close(): void {
    this.#agent.destroy()
  }

  ask<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    const text = body === undefined ? '' : JSON.stringify(body)
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    return new Promise((resolve, reject) => {
      const asked = request(new URL(path, this.#url), { method, agent: this.#agent, headers }, (response) => {
        let answer = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          answer += chunk
        })
        response.on('end', () => {
          if ((response.statusCode ?? 500) >= 300) reject(new Error(answer))
          else resolve(JSON.parse(answer) as T)
        })
      })
      asked.on('error', reject)
      asked.end(text)
    })
  }
}
