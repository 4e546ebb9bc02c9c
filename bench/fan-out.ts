// Question: how many deliveries a second does one channel make to 100 receivers of 128-byte messages, when the sender has
// at most 1,000 messages in flight; and how late are they at 100 messages a second?
// Measured: relay and room of Nitka, and a naive loop of `ws`. Not measured: many channels, large messages, TLS.
// Void: a run in which a receiver missed a message, or got one twice or out of order.

import { type Kind, startServer } from './server.ts'
import { BenchSocket, frameOf, sleep, until } from './socket.ts'

const receivers = 100
const payloadBytes = 128
const inFlight = 1_000
const burst = 50

export interface FanOut {
  readonly perSecond: number
  /** Messages sent a second. */
  readonly messages: number
}

function payload(number: number): string {
  return String(number).padEnd(payloadBytes, '.')
}

/** 100 receivers and a sender in one channel; all frames are alike in length. */
async function openChannel(url: URL): Promise<{ subscribers: BenchSocket[]; sender: BenchSocket }> {
  const fixed = payloadBytes + 4
  const subscribers: BenchSocket[] = []
  for (let i = 0; i < receivers; i++) subscribers.push(await BenchSocket.open(url, '/relay', { fixed }))
  return { subscribers, sender: await BenchSocket.open(url, '/relay', { fixed }) }
}

/** A relay channel (or its naive peer), one sender flat out. */
export async function relayFanOut(kind: Kind, seconds: number): Promise<FanOut> {
  const server = await startServer(kind)
  try {
    const { subscribers, sender } = await openChannel(server.url)
    const first = subscribers[0]
    if (first === undefined) throw new Error('no subscriber')
    let expected = 0
    let wrong = 0
    first.onPayload = (bytes) => {
      if (Number.parseInt(bytes.toString('latin1', 0, 12), 10) !== expected++) wrong++
    }
    let sent = 0
    let stopped = false
    const pump = (): void => {
      while (!stopped && sent - first.frames <= inFlight - burst) {
        sender.send(Buffer.concat(Array.from({ length: burst }, (_, i) => frameOf(payload(sent + i)))))
        sent += burst
      }
    }
    first.onData = pump
    const begun = performance.now()
    pump()
    await sleep(seconds * 1_000)
    stopped = true
    const complete = await until(() => subscribers.every(({ frames }) => frames >= sent), 30_000)
    const elapsed = (performance.now() - begun) / 1_000
    if (!complete || wrong > 0 || subscribers.some(({ frames }) => frames !== sent))
      throw new Error(`void: ${kind} lost or doubled`)
    for (const socket of [...subscribers, sender]) socket.close()
    return { perSecond: (sent * receivers) / elapsed, messages: sent / elapsed }
  } finally {
    await server.stop()
  }
}

/** A room: every message is on disk before anybody gets it; four rpc senders with 64 unanswered calls each. */
export async function roomFanOut(seconds: number): Promise<FanOut> {
  const server = await startServer('nitka')
  try {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ id: 'bench', name: 'bench', open: true })
    await fetch(new URL('/rooms?user=owner', server.url), { method: 'POST', headers, body })
    const subscribers: BenchSocket[] = []
    for (let i = 0; i < receivers; i++)
      subscribers.push(await BenchSocket.open(server.url, `/rooms/bench/ws?user=u${i}`))
    await sleep(200)
    const first = subscribers[0]
    if (first === undefined) throw new Error('no subscriber')
    let expected = 1
    let wrong = 0
    first.onPayload = (bytes) => {
      if (Number.parseInt(bytes.toString('latin1', 10, 24), 10) !== expected++) wrong++
    }
    let sent = 0
    let answered = 0
    let stopped = false
    const senders: BenchSocket[] = []
    const begun = performance.now()
    for (let i = 0; i < 4; i++) {
      const sender = await BenchSocket.open(server.url, `/ws?user=u${i}`, { protocol: 'nitka.rpc.v1' })
      senders.push(sender)
      let mine = 0
      const pump = (): void => {
        const calls: Buffer[] = []
        while (!stopped && mine - sender.frames < 64) {
          const params = { room: 'bench', message: payload(sent++) }
          calls.push(frameOf(JSON.stringify({ jsonrpc: '2.0', id: mine++, method: 'rooms.send', params })))
        }
        if (calls.length > 0) sender.send(Buffer.concat(calls))
      }
      sender.onPayload = (bytes) => {
        if (bytes.includes('"result"')) answered++
        else wrong++
      }
      sender.onData = pump
      pump()
    }
    await sleep(seconds * 1_000)
    stopped = true
    const complete = await until(() => answered === sent && subscribers.every(({ frames }) => frames >= sent), 30_000)
    const elapsed = (performance.now() - begun) / 1_000
    if (!complete || wrong > 0 || subscribers.some(({ frames }) => frames !== sent))
      throw new Error('void: the room lost or doubled')
    for (const socket of [...subscribers, ...senders]) socket.close()
    return { perSecond: (sent * receivers) / elapsed, messages: sent / elapsed }
  } finally {
    await server.stop()
  }
}

/** Milliseconds from send to the last of 100 receivers, at 100 messages a second. */
export async function relayLatency(kind: Kind, seconds: number): Promise<{ p50: number; p99: number }> {
  const server = await startServer(kind)
  try {
    const { subscribers, sender } = await openChannel(server.url)
    const times: number[] = []
    for (let sent = 0; sent < seconds * 100; ) {
      const begun = performance.now()
      sender.send(frameOf(payload(sent++)))
      const arrived = new Promise<void>((resolve) => {
        const check = (): void => {
          if (subscribers.every(({ frames }) => frames >= sent)) resolve()
        }
        for (const one of subscribers) one.onData = check
      })
      await arrived
      times.push(performance.now() - begun)
      await sleep(Math.max(0, 10 - (performance.now() - begun)))
    }
    times.sort((a, b) => a - b)
    return { p50: times[Math.floor(times.length * 0.5)] ?? 0, p99: times[Math.floor(times.length * 0.99)] ?? 0 }
  } finally {
    await server.stop()
  }
}
