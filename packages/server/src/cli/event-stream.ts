// Server-sent events, the reading half: text in any fragments to events. As the HTML standard's section on
// `text/event-stream` interprets a stream.

import { NitkaError } from '@nitka/protocol'

export interface StreamEvent {
  /** `message` when the stream names none. */
  readonly type: string
  /** Its lines, joined by line feeds. */
  readonly data: string
}

/** Characters of an event that may be kept while its end has not come. A task is at most a few hundred thousand. */
const eventLengthMax = 16 * 2 ** 20

export class EventStreamReader {
  readonly #onEvent: (event: StreamEvent) => void
  /** The line that has not ended yet, in the pieces in which it came. */
  #line: string[] = []
  /** A carriage return was the last character: a line feed right after it belongs to it. */
  #returned = false
  #first = true
  #data: string[] = []
  #length = 0
  #type = ''
  #id = ''
  #lastEventId = ''
  #retryMs: number | undefined

  /** @param onEvent told every complete event, before the next one is read */
  constructor(onEvent: (event: StreamEvent) => void) {
    this.#onEvent = onEvent
  }

  /** The last complete event's id, or an earlier one's when it had none: what a reconnect sends. Empty: none. */
  get lastEventId(): string {
    return this.#lastEventId
  }

  /** How long the server asked its clients to wait before a reconnect, milliseconds. */
  get retryMs(): number | undefined {
    return this.#retryMs
  }

  /** Takes the next piece of decoded text. @throws NitkaError `too-large` an event has no end */
  push(text: string): void {
    let rest = text
    if (this.#first && rest.length > 0) {
      this.#first = false
      if (rest.startsWith('\uFEFF')) rest = rest.slice(1)
    }
    if (this.#returned && rest.length > 0) {
      this.#returned = false
      if (rest.startsWith('\n')) rest = rest.slice(1)
    }
    const ends = /\r\n?|\n/g
    let begin = 0
    for (let end = ends.exec(rest); end !== null; end = ends.exec(rest)) {
      this.#keep(rest.slice(begin, end.index))
      begin = ends.lastIndex
      this.#returned = begin === rest.length && end[0] === '\r'
      this.#endLine()
    }
    if (begin < rest.length) this.#keep(rest.slice(begin))
  }

  /** The connection is gone: what had no end is no event. The next piece begins a new stream; its id and `retry` stay. */
  restart(): void {
    this.#line = []
    this.#returned = false
    this.#first = true
    this.#id = this.#lastEventId
    this.#clear()
  }

  #keep(piece: string): void {
    this.#line.push(piece)
    this.#length += piece.length
    if (this.#length > eventLengthMax) {
      throw new NitkaError('too-large', `the stream has an event of more than ${eventLengthMax} characters`)
    }
  }

  #endLine(): void {
    const line = this.#line.join('')
    this.#line = []
    if (line === '') {
      this.#dispatch()
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) {
      // A comment. A quiet stream is nothing but comments, so they do not add up.
      if (this.#data.length === 0) this.#length = 0
      return
    }
    const name = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    this.#field(name, value)
  }

  #field(name: string, value: string): void {
    if (name === 'data') this.#data.push(value)
    else if (name === 'event') this.#type = value
    else if (name === 'id' && !value.includes('\0')) this.#id = value
    else if (name === 'retry' && /^\d{1,9}$/.test(value)) this.#retryMs = Number(value)
  }

  #dispatch(): void {
    this.#lastEventId = this.#id
    const event = { type: this.#type === '' ? 'message' : this.#type, data: this.#data.join('\n') }
    const empty = this.#data.length === 0
    this.#clear()
    if (!empty) this.#onEvent(event)
  }

  #clear(): void {
    this.#data = []
    this.#type = ''
    this.#length = 0
  }
}
