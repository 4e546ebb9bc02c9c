// Ten workers on beanstalkd by its text protocol: a hundred reserves in one write, then a hundred deletes in one write.

import { connect, type Socket } from 'node:net'

/** One connection: commands go out together, replies come back in their order. */
class Connection {
  readonly #socket: Socket
  #text = ''
  #waiting: ((reply: string) => void)[] = []

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
      const body = /^RESERVED \d+ (\d+)$/.exec(line)?.[1]
      const next = end + 2 + (body === undefined ? 0 : Number(body) + 2)
      if (next > this.#text.length) break
      at = next
      this.#waiting.shift()?.(line)
    }
    this.#text = this.#text.slice(at)
  }
}

/** Puts `total` jobs while workers take and delete them. Resolves when all are deleted. @throws a job twice, or lost */
export async function beanstalkdRun(
  port: number,
  total: number,
  shape: { workers: number; batch: number; add: number },
) {
  const seen = new Set<string>()
  let deleted = 0
  const workers = Array.from({ length: shape.workers }, async () => {
    const connection = new Connection(port)
    while (deleted < total) {
      const replies = await connection.ask(Array.from({ length: shape.batch }, () => 'reserve-with-timeout 0\r\n'))
      const ids = replies.flatMap((line) => (line.startsWith('RESERVED') ? [line.split(' ')[1] ?? ''] : []))
      for (const id of ids) {
        if (seen.has(id)) throw new Error(`void: ${id} came twice`)
        seen.add(id)
      }
      const gone = await connection.ask(ids.map((id) => `delete ${id}\r\n`))
      if (gone.some((line) => line !== 'DELETED')) throw new Error(`void: ${gone[0]}`)
      deleted += gone.length
      if (ids.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    connection.close()
  })
  const producers = Array.from({ length: 4 }, async (_, p) => {
    const connection = new Connection(port)
    for (let i = p * shape.add; i < total; i += 4 * shape.add) {
      const count = Math.min(shape.add, total - i)
      const puts = Array.from({ length: count }, (_, j) => {
        const body = JSON.stringify({ Period: 1 + ((i + j) % 1_000) })
        return `put 0 0 60 ${body.length}\r\n${body}\r\n`
      })
      const replies = await connection.ask(puts)
      if (replies.some((line) => !line.startsWith('INSERTED'))) throw new Error(`void: ${replies[0]}`)
    }
    connection.close()
  })
  await Promise.all([...workers, ...producers])
  if (deleted !== total) throw new Error(`void: ${deleted} of ${total}`)
}
