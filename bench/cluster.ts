// Questions: how many messages a second does a room take and hand out over 1, 2 and 3 nodes, and how late are they? What
// does a node cost that has no listener in the room? What do many rooms with one message each cost? How soon is a dead node found?
// Measured: nodes as processes on one Postgres (synced commits) and one NATS, all on this machine, so nodes share its cores with
// both and with the load. 20 receivers, spread over the nodes; 4 senders, each on a node in turn; 128-byte messages.
// Void: a run in which a receiver missed a message or got one out of order.
// Run: ../node_modules/.bin/node cluster.ts [--smoke]

import { TestNats } from '../packages/server/testing/nats.ts'
import { TestPostgres } from '../packages/server/testing/postgres.ts'
import { type Running, startServer } from './server.ts'
import { BenchSocket, frameOf, sleep, until } from './socket.ts'

const smoke = process.argv.includes('--smoke')
const seconds = smoke ? 1 : 5
const receiversMax = 20
const sendersMax = 4
const idleRooms = smoke ? 1_000 : 100_000

interface Cluster {
  readonly flags: readonly string[]
  readonly postgres: TestPostgres
}

type Ends = { after(end: () => Promise<void>): void }

/** What was opened last is closed first. */
async function scope<T>(work: (ends: Ends) => Promise<T>): Promise<T> {
  const ends: (() => Promise<void>)[] = []
  try {
    return await work({ after: (end) => void ends.push(end) })
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

async function startCluster(t: Ends): Promise<Cluster> {
  const [postgres, nats] = await Promise.all([TestPostgres.start(t, ['fsync=on']), TestNats.start(t)])
  return { postgres, flags: ['--postgres-url', await postgres.database(), '--nats-url', nats.url] }
}

async function startNodes(t: Ends, { flags }: Cluster, count: number): Promise<Running[]> {
  const nodes: Running[] = []
  for (let i = 0; i < count; i++) {
    const node = await startServer('nitka', flags, false)
    t.after(() => node.stop().catch(() => undefined))
    nodes.push(node)
  }
  return nodes
}

async function post(url: URL, path: string, body: object): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(new URL(path, url), { method: 'POST', body: JSON.stringify(body), headers })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
}

/** Connections of receivers and senders of one room, spread over the nodes. */
async function crowd(nodes: readonly Running[], room: string) {
  const at = (i: number): URL => nodes[i % nodes.length]?.url ?? new URL('http://127.0.0.1')
  await post(at(0), '/rooms?user=s0', { id: room, name: room, open: true })
  const open = (user: string, i: number) => BenchSocket.open(at(i), `/rooms/${room}/ws?user=${user}${i}`)
  const receivers = await Promise.all(Array.from({ length: receiversMax }, (_, i) => open('r', i)))
  const senders = await Promise.all(Array.from({ length: sendersMax }, (_, i) => open('s', i)))
  return {
    receivers,
    senders,
    close: () => {
      for (const socket of [...receivers, ...senders]) socket.close()
    },
  }
}

/** Messages a second with so many unconfirmed a sender: it sees its own come back. */
async function throughput(nodes: readonly Running[], unconfirmed: number): Promise<number> {
  const { receivers, senders, close } = await crowd(nodes, `r${nodes.length}x${unconfirmed}`)
  let sent = 0
  let stopped = false
  let last = 0
  let wrong = 0
  const [first] = receivers
  if (first === undefined) throw new Error('nobody receives')
  first.onPayload = (payload) => {
    const { offset } = JSON.parse(payload.toString()) as { offset: number }
    if (offset !== last + 1) wrong++
    last = offset
  }
  const begun = performance.now()
  senders.forEach((sender) => {
    const frame = frameOf(JSON.stringify({ message: '.'.repeat(128) }))
    const pump = (): void => {
      // Everybody sees everything, so this sender's share of what is under way is what all sent less what it has seen.
      while (!stopped && sent - sender.frames < unconfirmed * sendersMax) {
        sent++
        sender.send(frame)
      }
    }
    sender.onData = pump
    pump()
  })
  await sleep(seconds * 1_000)
  stopped = true
  const complete = await until(() => receivers.every(({ frames }) => frames === sent), 20_000)
  const perSecond = sent / ((performance.now() - begun) / 1_000)
  close()
  if (!complete || wrong > 0)
    throw new Error(`void: ${receivers.map(({ frames }) => frames)} of ${sent}, ${wrong} wrong`)
  return perSecond
}

/** Milliseconds from a send on one node until a receiver on another (or the only one) has it, at 50 messages a second. */
async function latency(nodes: readonly Running[]): Promise<{ p50: number; p99: number }> {
  const { receivers, senders, close } = await crowd(nodes, `l${nodes.length}`)
  const times: number[] = []
  const receiver = receivers[nodes.length - 1]
  const [sender] = senders
  if (receiver === undefined || sender === undefined) throw new Error('nobody is there')
  receiver.onPayload = (payload) => {
    const { message } = JSON.parse(payload.toString()) as { message: number }
    times.push(performance.now() - message)
  }
  const count = seconds * 50
  for (let i = 0; i < count; i++) {
    sender.send(frameOf(JSON.stringify({ message: performance.now() })))
    await sleep(20)
  }
  if (!(await until(() => times.length === count, 10_000))) throw new Error('void: lost')
  close()
  times.sort((a, b) => a - b)
  return { p50: times[Math.floor(count / 2)] ?? Number.NaN, p99: times[Math.floor(count * 0.99)] ?? Number.NaN }
}

async function metric(url: URL, name: string): Promise<number> {
  const text = await (await fetch(new URL('/metrics', url))).text()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
}

/** CPU seconds of a node without a listener, for each second in which a room of the other node is busy. */
async function bystander(nodes: readonly Running[]): Promise<{ idle: number; busy: number }> {
  const [busyNode, other] = nodes
  if (busyNode === undefined || other === undefined) throw new Error('needs two nodes')
  const cpu = (): Promise<number> => metric(other.url, 'process_cpu_seconds_total')
  const idleFrom = await cpu()
  await sleep(seconds * 1_000)
  const idle = ((await cpu()) - idleFrom) / seconds
  const from = await cpu()
  const begun = performance.now()
  await throughput([busyNode], 16)
  return { idle, busy: ((await cpu()) - from) / ((performance.now() - begun) / 1_000) }
}

/** Logs that get their first message, in batches, from four connections. */
async function fill(nodes: readonly Running[]): Promise<{ perSecond: number; seconds: number }> {
  const begun = performance.now()
  const operations = 100
  let next = 0
  const lane = async (url: URL): Promise<void> => {
    while (next < idleRooms) {
      const from = next
      next += operations
      const users = Array.from({ length: Math.min(operations, idleRooms - from) }, (_, i) => `u${from + i}`)
      const sends = users.map((user) => ({ system: { toUser: user, message: 'hi' } }))
      await post(url, '/batch', { operations: sends })
    }
  }
  await Promise.all(nodes.flatMap(({ url }) => [lane(url), lane(url)]))
  const took = (performance.now() - begun) / 1_000
  return { perSecond: idleRooms / took, seconds: took }
}

const format = (value: number): string => (value < 100 ? value.toFixed(2) : Math.round(value).toLocaleString('en'))

for (const count of [1, 2, 3]) {
  await scope(async (t) => {
    const nodes = await startNodes(t, await startCluster(t), count)
    const { p50, p99 } = await latency(nodes)
    console.log(`${count} nodes, one room, 50 messages/s: p50 ${format(p50)} ms, p99 ${format(p99)} ms`)
    for (const unconfirmed of [16, 256]) {
      const rate = await throughput(nodes, unconfirmed)
      const deliveries = format(rate * receiversMax)
      console.log(
        `${count} nodes, one room, ${unconfirmed} unconfirmed a sender: ${format(rate)} messages/s, ${deliveries} deliveries/s`,
      )
    }
  })
}
await scope(async (t) => {
  const nodes = await startNodes(t, await startCluster(t), 2)
  const { idle, busy } = await bystander(nodes)
  console.log(
    `a node without a listener: ${(idle * 100).toFixed(1)} % of a core idle, ${(busy * 100).toFixed(1)} % beside a busy room`,
  )
  const filled = await fill(nodes)
  console.log(
    `${idleRooms} logs with one message each: ${format(filled.perSecond)} logs/s, ${format(filled.seconds)} s`,
  )
})
