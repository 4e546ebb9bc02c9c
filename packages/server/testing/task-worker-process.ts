// A worker process that a test kills: node task-worker-process.ts URL LOG BATCH. Every start and end of a task is a line in
// the log before anything else happens: `start id attempt deadline time`, `end id attempt time`.

import { appendFileSync } from 'node:fs'
import { TaskStream } from './task-worker.ts'

const [url = '', log = '', batch = '1'] = process.argv.slice(2)

const note = (...words: (string | number)[]): void => appendFileSync(log, `${words.join(' ')}\n`)
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const stream = await TaskStream.open(`${url}/task?batchsize=${batch}`)
let seen = 0
for (;;) {
  await stream.until(({ tasks, closed }) => tasks.length > seen || closed, 'tasks', 3_600_000)
  if (stream.closed) break
  const fresh = stream.tasks.slice(seen)
  seen += fresh.length
  const done = await Promise.all(
    fresh.map(async ({ Id, Attempt, Deadline, Period }) => {
      note('start', Id, Attempt, Date.parse(Deadline), Date.now())
      await sleep(Number(Period))
      note('end', Id, Attempt, Date.now())
      return Id
    }),
  )
  await fetch(`${url}/report`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(done),
  })
}
