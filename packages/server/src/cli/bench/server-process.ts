// The process of the bench's own server. It lives as long as the channel to its parent, and takes its folder along.

import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createServer } from '../../server.ts'
import type { ServerAnswer, ServerOrder } from './own-server.ts'

const { parent, wishes } = JSON.parse(process.argv[2] ?? '{}') as ServerOrder
const gone = new Promise<void>((resolve) => process.once('disconnect', resolve))

function tell(answer: ServerAnswer): void {
  if (process.connected) process.send?.(answer)
}

async function serve(): Promise<void> {
  const folder = await mkdtemp(join(parent, 'nitka-bench-'))
  try {
    const server = await createServer({ ...wishes, data: join(folder, 'data') })
    tell({ url: server.url })
    await gone
    await server.stop(0)
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

serve().then(
  () => process.exit(0),
  (error: unknown) => {
    tell({ error: error instanceof Error ? error.message : String(error) })
    process.exit(1)
  },
)
