// Pictures are to be made small. A producer adds them as tasks and two workers do the work. Two pictures are broken: they
// fail three times and become dead letters, for a person to look at, to try again, or to drop.

import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Nitka } from '@nitka/client'
import { temporaryServer } from 'nitka/testing'

interface App {
  tasks: { thumbnails: { file: string } }
}

/** Files that have been repaired since. */
const repaired = new Set<string>()

async function produce(nitka: Nitka<App>, files: readonly string[]): Promise<void> {
  for (const file of files) {
    // The key makes a repeat harmless: a file that was added already is not added again.
    await nitka.tasks.add('thumbnails', { file }, { key: file, maxAttempts: 3, backoff: 100 })
  }
}

/** Returning is done; throwing is failed, and is tried again after the back-off. */
async function makeSmall({ file }: { file: string }): Promise<void> {
  if (file.startsWith('broken') && !repaired.has(file)) throw new Error(`${file} is no picture`)
  console.log(`made small-${file}`)
}

function work(nitka: Nitka<App>): void {
  nitka.tasks.work('thumbnails', { batch: 2 }, (task) => makeSmall(task.payload))
}

/** Resolves when nothing waits and nothing is at work. */
async function settled(nitka: Nitka<App>): Promise<void> {
  for (;;) {
    const [queue] = await nitka.tasks.queues()
    if (queue === undefined || queue.ready + queue.delayed + queue.leased === 0) return
    await sleep(50)
  }
}

/** Shows what failed for good, and how; what can be repaired is tried again, the rest is dropped. */
async function lookAfterTheDead(nitka: Nitka<App>): Promise<void> {
  const { tasks } = await nitka.tasks.dead({ queue: 'thumbnails' })
  for (const { id, payload, attempts } of tasks) {
    const { file } = payload as { file: string }
    console.log(`dead letter: ${file}`)
    for (const { number, reason } of attempts) console.log(`  attempt ${number}: ${reason}`)
    if (file === 'broken-cat.png') {
      repaired.add(file)
      await nitka.tasks.retry(id)
    } else {
      await nitka.tasks.drop(id)
      console.log(`dropped ${file}`)
    }
  }
}

await using app = await temporaryServer()
await using producer = connect<App>(`${app.server.url}?user=producer`)
await using anna = connect<App>(`${app.server.url}?user=anna`)
await using bert = connect<App>(`${app.server.url}?user=bert`)
work(anna)
work(bert)
await produce(producer, ['dog.png', 'broken-cat.png', 'bird.png', 'broken-virus.png', 'fish.png'])
await settled(producer)
await lookAfterTheDead(producer)
await settled(producer)
const { tasks: dead } = await producer.tasks.dead()
console.log(`${dead.length} dead letters are left`)
