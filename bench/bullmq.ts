// Ten BullMQ workers of concurrency 100.

import { Queue, Worker } from 'bullmq'

/** Adds `total` jobs while workers take them. Resolves when all are completed. @throws a job twice */
export async function bullmqRun(port: number, total: number, shape: { workers: number; batch: number; add: number }) {
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
    worker.on('completed', () => {
      completed += 1
      if (completed === total) finished.resolve()
    })
    return worker
  })
  await Promise.all(workers.map((worker) => worker.waitUntilReady()))
  const producers = Array.from({ length: 4 }, async (_, p) => {
    for (let i = p * shape.add; i < total; i += 4 * shape.add) {
      const count = Math.min(shape.add, total - i)
      await queue.addBulk(
        Array.from({ length: count }, (_, j) => ({ name: 't', data: { Period: 1 + ((i + j) % 1_000) } })),
      )
    }
  })
  await Promise.all([finished.promise, ...producers])
  await Promise.all(workers.map((worker) => worker.close(true)))
  await queue.close()
}
