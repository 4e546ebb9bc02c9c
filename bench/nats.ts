// Request and reply over NATS through its JavaScript client, the responder in the client's process.

import { connect as connectNats } from '@nats-io/transport-node'
import type { Shape } from './requests.ts'
import { installed, startPeer } from './servers/peers.ts'

/** Round trips a second. Undefined: it is not installed. */
export async function natsRate(seconds: number, { connections, inFlight }: Shape): Promise<number | undefined> {
  if (!installed('nats')) return undefined
  const peer = await startPeer('nats', false)
  try {
    const servers = `127.0.0.1:${peer.port}`
    const responder = await connectNats({ servers })
    responder.subscribe('echo', { callback: (_error, message) => void message.respond(message.data) })
    await responder.flush()
    const clients = await Promise.all(Array.from({ length: connections }, () => connectNats({ servers })))
    let count = 0
    const begun = performance.now()
    const askers = clients.flatMap((client) =>
      Array.from({ length: inFlight }, async (_, n) => {
        const body = JSON.stringify({ n })
        while (performance.now() - begun < seconds * 1_000) {
          const { n: back } = (await client.request('echo', body)).json<{ n: number }>()
          if (back !== n) throw new Error('void: a wrong answer')
          count += 1
        }
      }),
    )
    await Promise.all(askers)
    const elapsed = (performance.now() - begun) / 1_000
    for (const client of [...clients, responder]) await client.close()
    return count / elapsed
  } finally {
    await peer.stop()
  }
}
