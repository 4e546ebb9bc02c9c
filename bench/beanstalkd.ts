// Ten workers on beanstalkd by its text protocol. A worker's deletes and its next hundred reserves go out in one write, and so
// do a producer's puts. An empty answer is asked again after a millisecond: a reserve that blocks wakes for a single job.

import { connect, type Socket } from 'node:net'
import type { Shape } from './tasks.ts'

/** One connection: commands go out together, replies come back in their order. */
class Connection {
  readonly #socket: Socket
  #text = ''
  #waiting: ((reply: string) => void)[] = []
  #at = 0

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.setNoDelay(true)
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (chunk: string) => {
      this.#text += chunk
      this.#read()
    })
  }

  /** Sends all of them in one write. Resolves to the first lines of the replies. */
  ask(commands: readonly string[]): Promise<string[]> {
    const replies = commands.map(() => new Promise<string>((resolve) => this.#waiting.push(resolve)))
    this.#socket.write(commands.join(''))
    return Promise.all(replies)
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(): void {
    let at = 0
    for (;;) {
      const end = this.#text.indexOf('\r\n', at)
      if (end < 0) break
      const line = this.#text.slice(at, end)
      const body = line.startsWith('RESERVED') ? Number(line.slice(line.lastIndexOf(' ') + 1)) + 2 : 0
      const next = end + 2 + body
      if (next > this.#text.length) break
      at = next
      this.#waiting[this.#at++]?.(line)
    }
    this.#text = this.#text.slice(at)
    if (this.#at === this.#waiting.length) this.#waiting = []
    else this.#waiting = this.#waiting.slice(this.#at)
    this.#at = 0
  }
}

/**
 * Puts `total` jobs while workers take and delete them.
 * @returns milliseconds from the first put to the last delete
 * @throws a job came twice, was lost, or is left
 */
export async function beanstalkdRun(port: number, total: number, shape: Shape): Promise<number> {
  const control = new Connection(port)
  // Answered: all of them are connected before the clock starts.
  const open = async (): Promise<Connection> => {
    const connection = new Connection(port)
    await connection.ask(['peek-ready\r\n'])
    return connection
  }
  const workers = await Promise.all(Array.from({ length: shape.workers }, open))
  const producers = await Promise.all(Array.from({ length: shape.producers }, open))
  const seen = new Set<string>()
  let deleted = 0
  let ended = 0
  const begun = performance.now()
  const work = async (connection: Connection): Promise<void> => {
    const reserves = Array.from({ length: shape.batch }, () => 'reserve-with-timeout 0\r\n')
    let ids: string[] = []
    while (deleted < total) {
      const replies = await connection.ask([...ids.map((id) => `delete ${id}\r\n`), ...reserves])
      const gone = replies.slice(0, ids.length)
      if (gone.some((line) => line !== 'DELETED')) throw new Error(`void: ${gone}`)
      deleted += gone.length
      if (deleted === total) ended = performance.now()
      ids = replies.slice(ids.length).flatMap((line) => (line.startsWith('RESERVED') ? [line.split(' ')[1] ?? ''] : []))
      for (const id of ids) {
        if (seen.has(id)) throw new Error(`void: ${id} came twice`)
        seen.add(id)
      }
      if (ids.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
  const put = async (connection: Connection, first: number): Promise<void> => {
    for (let i = first * shape.add; i < total; i += shape.producers * shape.add) {
      const puts = Array.from({ length: Math.min(shape.add, total - i) }, (_, j) => {
        const body = JSON.stringify({ Period: 1 + ((i + j) % 1_000) })
        return `put 0 0 60 ${body.length}\r\n${body}\r\n`
      })
      const replies = await connection.ask(puts)
      if (replies.some((line) => !line.startsWith('INSERTED'))) throw new Error(`void: ${replies[0]}`)
    }
  }
  await Promise.all([...workers.map(work), ...producers.map(put)])
  const stats = await control.ask(['peek-ready\r\n', 'peek-delayed\r\n', 'peek-buried\r\n'])
  if (seen.size !== total || deleted !== total || stats.some((line) => line !== 'NOT_FOUND')) {
    throw new Error(`void: ${deleted} of ${total}, then ${stats}`)
  }
  for (const connection of [control, ...workers, ...producers]) connection.close()
  return ended - begun
}
