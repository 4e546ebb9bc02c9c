// Ten BullMQ workers of concurrency 100.

import { Queue, Worker } from 'bullmq'
import type { Shape } from './tasks.ts'

/**
 * Adds `total` jobs while workers take them.
 * @returns milliseconds from the first add to the last completion
 * @throws a job came twice, failed, or is left
 */
export async function bullmqRun(port: number, total: number, shape: Shape): Promise<number> {
  const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null }
  const queue = new Queue('bench', { connection })
  const seen = new Set<string>()
  let completed = 0
  const finished = Promise.withResolvers<void>()
  const workers = Array.from({ length: shape.workers }, () => {
    const worker = new Worker(
      'bench',
      async ({ id = '' }) => {
        if (seen.has(id)) finished.reject(new Error(`void: ${id} came twice`))
        seen.add(id)
      },
      { connection, concurrency: shape.batch, removeOnComplete: { count: 0 } },
    )
    worker.on('failed', (job) => finished.reject(new Error(`void: ${job?.id} failed`)))
    worker.on('completed', () => {
      completed += 1
      if (completed === total) finished.resolve()
    })
    return worker
  })
  await Promise.all([queue.waitUntilReady(), ...workers.map((worker) => worker.waitUntilReady())])
  const begun = performance.now()
  const producers = Array.from({ length: shape.producers }, async (_, first) => {
    for (let i = first * shape.add; i < total; i += shape.producers * shape.add) {
      const count = Math.min(shape.add, total - i)
      await queue.addBulk(
        Array.from({ length: count }, (_, j) => ({ name: 't', data: { Period: 1 + ((i + j) % 1_000) } })),
      )
    }
  })
  await Promise.all([finished.promise, ...producers])
  const elapsed = performance.now() - begun
  const left = Object.values(await queue.getJobCounts('wait', 'active', 'delayed', 'failed'))
  if (completed !== total || seen.size !== total || left.some((count) => count > 0)) {
    throw new Error(`void: ${completed} of ${total}, left ${left}`)
  }
  await Promise.all(workers.map((worker) => worker.close(true)))
  await queue.close()
  return elapsed
}
