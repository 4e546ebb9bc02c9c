// The first connection of a command that keeps one.

import { type Nitka, NitkaError } from '@nitka/client'

/**
 * Resolves when the client is live. A server that is not there at the beginning is rather a wrong address than one that
 * comes back.
 * @throws NitkaError of the client: `unavailable` nobody answers, or why it is not let in
 */
export async function firstConnection(nitka: Nitka, { origin }: URL): Promise<void> {
  const failed = Promise.withResolvers<never>()
  const off = nitka.on('state', ({ state, error }) => {
    if (state !== 'waiting') return
    const message = `no server answers at ${origin}, or it does not let you in; start one with \`nitka serve\``
    failed.reject(error?.code === 'lost' ? new NitkaError('unavailable', message, { cause: error }) : error)
  })
  try {
    await Promise.race([nitka.ready(), failed.promise])
  } finally {
    off()
  }
}
