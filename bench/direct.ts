// Question: how many direct messages a second are stored, confirmed and delivered, every confirmation after its sync?
// Measured: 16 senders with at most 64 unconfirmed messages each, each to a connected receiver of its own; Nitka beside
// `ws` with SQLite, a transaction a message. Not measured: absent receivers, other disks.
// Void: a run in which a receiver missed a message or got one twice.

import { startServer } from './server.ts'
import { BenchSocket, frameOf, sleep, until } from './socket.ts'

const pairs = 16
const unconfirmed = 64

export interface DirectRate {
  readonly perSecond: number
}

export async function directRate(kind: 'nitka' | 'sqlite', seconds: number): Promise<DirectRate> {
  const server = await startServer(kind)
  try {
    const receivers: BenchSocket[] = []
    const senders: BenchSocket[] = []
    const sent = new Array<number>(pairs).fill(0)
    for (let i = 0; i < pairs; i++) {
      receivers.push(await BenchSocket.open(server.url, `/ws?user=r${i}`))
      senders.push(await BenchSocket.open(server.url, `/ws?user=s${i}`))
    }
    let wrong = 0
    let stopped = false
    const begun = performance.now()
    senders.forEach((sender, i) => {
      const frame = frameOf(JSON.stringify({ fromUser: `s${i}`, toUser: `r${i}`, message: '.'.repeat(128) }))
      const pump = (): void => {
        const count = stopped ? 0 : unconfirmed - ((sent[i] ?? 0) - sender.frames)
        if (count <= 0) return
        sent[i] = (sent[i] ?? 0) + count
        sender.send(Buffer.concat(Array.from({ length: count }, () => frame)))
      }
      sender.onPayload = (bytes) => {
        if (bytes.toString('latin1') !== 'ok') wrong++
      }
      sender.onData = pump
      pump()
    })
    await sleep(seconds * 1_000)
    stopped = true
    const done = (sockets: readonly BenchSocket[]): boolean => sockets.every(({ frames }, i) => frames === sent[i])
    const complete = await until(() => done(senders) && done(receivers), 30_000)
    const elapsed = (performance.now() - begun) / 1_000
    if (!complete || wrong > 0) throw new Error(`void: ${kind} lost or doubled`)
    for (const socket of [...senders, ...receivers]) socket.close()
    return { perSecond: sent.reduce((sum, one) => sum + one, 0) / elapsed }
  } finally {
    await server.stop()
  }
}
