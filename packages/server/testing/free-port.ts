// Ports for what a test starts as a process, and starts again on the same one.

import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** A port that is free, and below those that the kernel gives to whoever asks for any: none of those has it a moment later. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 30_000)
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!free) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}
