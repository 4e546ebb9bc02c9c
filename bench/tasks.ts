// Question: how many tasks a second are added, handed out and reported, every step on disk before it counts?
// Measured: four producers that add arrays of 500, ten workers of batch 100 that report a batch as soon as they have it, from
// the first add to the last report; Nitka over HTTP beside BullMQ on Redis and beanstalkd, both with every change synced, and
// both with nothing on disk. Not measured: work, failures, more than one machine.
// Void: a run in which a task was lost or came twice.

import { Agent, get, request } from 'node:http'
import { beanstalkdRun } from './beanstalkd.ts'
import { startServer } from './server.ts'
import { installed, startPeer } from './servers/peers.ts'

export type TaskSystem = 'nitka' | 'bullmq' | 'beanstalkd'

const shape = { workers: 10, batch: 100, add: 500 }

/** Tasks a second. Undefined: the peer is not installed. */
export async function taskRate(system: TaskSystem, total: number, durable = true): Promise<number | undefined> {
  if (system === 'nitka') {
    const server = await startServer('nitka')
    try {
      return await timed(total, () => nitkaRun(server.url, total))
    } finally {
      await server.stop()
    }
  }
  const name = system === 'bullmq' ? 'redis' : 'beanstalkd'
  if (!installed(name)) return undefined
  const peer = await startPeer(name, durable)
  // Loaded when it is asked for: the smoke test runs without the peers' packages.
  const run = system === 'bullmq' ? (await import('./bullmq.ts')).bullmqRun : beanstalkdRun
  try {
    return await timed(total, () => run(peer.port, total, shape))
  } finally {
    await peer.stop()
  }
}

/** Milliseconds, and tasks a second, from a report to the next batch while `waiting` tasks wait. */
export async function claimLatency(waiting: number): Promise<{ p50: number; p99: number; perSecond: number }> {
  const server = await startServer('nitka')
  const client = new Client(server.url)
  try {
    await client.add(waiting, 500)
    const times: number[] = []
    let since = 0
    const enough = Promise.withResolvers<void>()
    const begun = performance.now()
    const worker = client.work(100, async (ids) => {
      if (since > 0) times.push(performance.now() - since)
      if (times.length === 90) return enough.resolve()
      since = performance.now()
      await client.report(ids)
    })
    await enough.promise
    const perSecond = (times.length * 100) / ((performance.now() - begun) / 1_000)
    worker()
    times.sort((a, b) => a - b)
    return { p50: times[45] ?? 0, p99: times[88] ?? 0, perSecond }
  } finally {
    client.close()
    await server.stop()
  }
}

async function timed(total: number, run: () => Promise<void>): Promise<number> {
  const begun = performance.now()
  await run()
  return total / ((performance.now() - begun) / 1_000)
}

async function nitkaRun(url: URL, total: number): Promise<void> {
  const client = new Client(url)
  const seen = new Set<string>()
  let done = 0
  const finished = Promise.withResolvers<void>()
  const workers = Array.from({ length: shape.workers }, () =>
    client.work(shape.batch, async (ids) => {
      for (const id of ids) {
        if (seen.has(id)) finished.reject(new Error(`void: ${id} came twice`))
        seen.add(id)
      }
      const settled = await client.report(ids)
      done += settled
      if (done === total) finished.resolve()
    }),
  )
  await Promise.all([finished.promise, client.add(total, shape.add)])
  for (const close of workers) close()
  client.close()
}

/** Nitka with nothing but HTTP. */
class Client {
  readonly #url: URL
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })

  constructor(url: URL) {
    this.#url = url
  }

  /** Adds `total` tasks, four arrays at a time. */
  async add(total: number, size: number): Promise<void> {
    const adders = Array.from({ length: 4 }, async (_, p) => {
      for (let i = p * size; i < total; i += 4 * size) {
        const count = Math.min(size, total - i)
        const tasks = Array.from({ length: count }, (_, j) => ({ payload: { Period: 1 + ((i + j) % 1_000) } }))
        await this.#post('/tasks', tasks)
      }
    })
    await Promise.all(adders)
  }

  async report(ids: readonly string[]): Promise<number> {
    const { done } = (await this.#post('/report', ids)) as { done: number }
    if (done !== ids.length) throw new Error(`void: ${done} of ${ids.length} were settled`)
    return done
  }

  /** Takes batches; the returned function ends it. */
  work(batch: number, take: (ids: readonly string[]) => Promise<void>): () => void {
    const asked = get(new URL(`/task?batchsize=${batch}`, this.#url), { agent: false }, (response) => {
      let rest = ''
      response.setEncoding('latin1')
      response.on('data', (chunk: string) => {
        const text = rest + chunk
        const at = text.lastIndexOf('\n\n')
        const end = at < 0 ? 0 : at + 2
        rest = text.slice(end)
        const ids = [...text.slice(0, end).matchAll(/^id: (\w+)$/gm)].map(([, id = '']) => id)
        if (ids.length > 0) void take(ids)
      })
      response.on('error', () => undefined)
    })
    asked.on('error', () => undefined)
    return () => asked.destroy()
  }

  close(): void {
    this.#agent.destroy()
  }

  #post(path: string, body: unknown): Promise<unknown> {
    const text = JSON.stringify(body)
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    return new Promise((resolve, reject) => {
      const asked = request(new URL(path, this.#url), { method: 'POST', agent: this.#agent, headers }, (response) => {
        let answer = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          answer += chunk
        })
        response.on('end', () => {
          if ((response.statusCode ?? 500) >= 300) reject(new Error(answer))
          else resolve(JSON.parse(answer))
        })
      })
      asked.on('error', reject)
      asked.end(text)
    })
  }
}
