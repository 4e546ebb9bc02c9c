// A worker for tests, as a user would write one in an afternoon: reads the stream, reports by POST. It keeps what it saw.

import { request } from 'node:http'

export interface SeenTask {
  readonly Id: string
  readonly Attempt: number
  readonly Token: string
  readonly Deadline: string
  readonly [field: string]: unknown
}

export interface StreamEvent {
  readonly name: string
  readonly id: string | undefined
  readonly data: string
}

/** An open stream of events. */
export class TaskStream {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly events: StreamEvent[] = []
  readonly comments: string[] = []
  retry: number | undefined
  closed = false
  readonly #end: () => void
  readonly #pause: () => void
  #listeners: (() => void)[] = []

  private constructor(response: import('node:http').IncomingMessage) {
    this.status = response.statusCode ?? 0
    this.headers = response.headers
    this.#end = () => response.destroy()
    this.#pause = () => response.pause()
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      text += chunk
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        this.#take(text.slice(0, end))
        text = text.slice(end + 2)
      }
      this.#tell()
    })
    response.on('error', () => undefined)
    response.on('close', () => {
      this.closed = true
      this.#tell()
    })
  }

  static open(url: string, headers: Record<string, string> = {}): Promise<TaskStream> {
    return new Promise((resolve, reject) => {
      const asked = request(url, { agent: false, headers }, (response) => resolve(new TaskStream(response)))
      asked.on('error', reject)
      asked.end()
    })
  }

  /** Unnamed events, which are tasks. */
  get tasks(): SeenTask[] {
    return this.events.filter(({ name }) => name === '').map(({ data }) => JSON.parse(data) as SeenTask)
  }

  named(name: string): Record<string, unknown>[] {
    return this.events.filter((event) => event.name === name).map(({ data }) => JSON.parse(data))
  }

  /** Resolves when `done` says so. It is asked whenever something came. */
  async until(done: (stream: TaskStream) => boolean, what: string, ms = 40_000): Promise<void> {
    const late = setTimeout(() => this.#tell(), ms)
    const start = performance.now()
    while (!done(this)) {
      if (performance.now() - start >= ms)
        throw new Error(`not in ${ms} ms: ${what}; got ${JSON.stringify(this.events)}`)
      await new Promise<void>((resolve) => this.#listeners.push(resolve))
    }
    clearTimeout(late)
  }

  /** Reads nothing more, and stays. */
  pause(): void {
    this.#pause()
  }

  close(): void {
    this.#end()
  }

  #take(block: string): void {
    let [name, id] = ['', undefined as string | undefined]
    const data: string[] = []
    for (const line of block.split('\n')) {
      if (line.startsWith(':')) this.comments.push(line)
      else if (line.startsWith('event: ')) name = line.slice(7)
      else if (line.startsWith('id: ')) id = line.slice(4)
      else if (line.startsWith('data: ')) data.push(line.slice(6))
      else if (line.startsWith('retry: ')) this.retry = Number(line.slice(7))
      else if (line !== '') throw new Error(`not a line of an event stream: ${line}`)
    }
    if (data.length > 0) this.events.push({ name, id, data: data.join('\n') })
  }

  #tell(): void {
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }
}
