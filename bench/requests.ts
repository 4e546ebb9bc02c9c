// Question: how many requests a second are asked and answered, and how many resources held and given back?
// Measured: one connection with 64 in flight, and 100 connections with 8 each; Nitka over its TCP port beside a raw echo on
// node:net and beside NATS through its JavaScript client, the responder in the client's process. Holds: acquire and release,
// 64 in flight, each in the store before it is answered. Not measured: executors that work.
// Void: a run in which an answer was missing or another's.

import { connect, type Socket } from 'node:net'
import { startServer } from './server.ts'

export interface Shape {
  readonly connections: number
  readonly inFlight: number
}

/** Round trips a second. Undefined: the peer is not installed. */
export async function requestRate(
  kind: 'nitka' | 'echo' | 'nats',
  seconds: number,
  shape: Shape,
): Promise<number | undefined> {
  // Loaded when it is asked for: the smoke test runs without the peers' packages.
  if (kind === 'nats') return (await import('./nats.ts')).natsRate(seconds, shape)
  const server = await startServer(kind)
  try {
    const ask = (queryIndex: number) => ({ type: 'echo', queryIndex, payload: { n: queryIndex } })
    const right = ({ queryIndex, resultJob }: Answer) => resultJob?.n === queryIndex
    return await roundTrips(server.tcp, seconds, shape, ask, right)
  } finally {
    await server.stop()
  }
}

/** Pairs of acquire and release a second. */
export async function holdRate(durability: 'disk' | 'relaxed', seconds: number): Promise<number> {
  const server = await startServer('nitka', ['--durability', durability, '--holds-per-connection', '0'])
  try {
    const setup = await Client.open(server.tcp)
    const resources = Array.from({ length: 1_000 }, (_, i) => `r${i}`)
    await setup.ask({ type: 'pool.add', queryIndex: 1, payload: { pool: 'p', resources } })
    const begun = performance.now()
    let pairs = 0
    const workers = Array.from({ length: 64 }, async () => {
      while (performance.now() - begun < seconds * 1_000) {
        const { resultJob } = await setup.ask({
          type: 'pool.acquire',
          queryIndex: setup.next(),
          payload: { pool: 'p' },
        })
        const { hold } = resultJob as { hold: string }
        const released = await setup.ask({ type: 'pool.release', queryIndex: setup.next(), payload: { hold } })
        if (JSON.stringify(released.resultJob) !== '{}') throw new Error('void: a hold was not released')
        pairs += 1
      }
    })
    await Promise.all(workers)
    setup.close()
    return pairs / ((performance.now() - begun) / 1_000)
  } finally {
    await server.stop()
  }
}

interface Answer {
  readonly queryIndex: number
  readonly resultJob: { readonly n?: number; readonly hold?: string } | undefined
}

async function roundTrips(
  url: URL,
  seconds: number,
  { connections, inFlight }: Shape,
  ask: (queryIndex: number) => object,
  right: (answer: Answer) => boolean,
): Promise<number> {
  const clients = await Promise.all(Array.from({ length: connections }, () => Client.open(url)))
  let count = 0
  const begun = performance.now()
  await Promise.all(
    clients.map(
      (client) =>
        new Promise<void>((resolve, reject) => {
          let open = inFlight
          client.onAnswers = (answers) => {
            for (const answer of answers) if (!right(answer)) reject(new Error('void: a wrong answer'))
            count += answers.length
            open -= answers.length
            if (performance.now() - begun < seconds * 1_000) {
              client.sendAll(answers.map(() => ask(client.next())))
              open += answers.length
            } else if (open === 0) resolve()
          }
          client.sendAll(Array.from({ length: inFlight }, () => ask(client.next())))
        }),
    ),
  )
  const elapsed = (performance.now() - begun) / 1_000
  for (const client of clients) client.close()
  return count / elapsed
}

class Client {
  onAnswers: ((answers: readonly Answer[]) => void) | undefined
  readonly #socket: Socket
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #rest = ''
  #index = 1_000

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      const lines = (this.#rest + chunk).split('\n')
      this.#rest = lines.pop() ?? ''
      const answers = lines.map((line) => JSON.parse(line) as Answer)
      if (this.onAnswers !== undefined) return this.onAnswers(answers)
      for (const answer of answers) {
        this.#waiting.get(answer.queryIndex)?.(answer)
        this.#waiting.delete(answer.queryIndex)
      }
    })
  }

  static open(url: URL): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect(Number(url.port), url.hostname)
      socket.once('error', reject)
      socket.once('connect', () => resolve(new Client(socket)))
    })
  }

  next(): number {
    return ++this.#index
  }

  sendAll(values: readonly object[]): void {
    if (values.length > 0) this.#socket.write(values.map((value) => `${JSON.stringify(value)}\n`).join(''))
  }

  ask(value: { readonly queryIndex: number; readonly type: string; readonly payload: unknown }): Promise<Answer> {
    return new Promise((resolve) => {
      this.#waiting.set(value.queryIndex, resolve)
      this.sendAll([value])
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}
