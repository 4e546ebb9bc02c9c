// Reads one HTTP response as it arrives in any pieces: of a known length, or in chunks.

export class ResponseReader {
  status = 0
  type = ''
  /** The body so far. */
  text = ''
  complete = false
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes of the body, or of the chunk, that are missing; undefined while a head is read. */
  #missing: number | undefined
  #chunked = false

  push(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes])
    while (!this.complete && this.#step()) {
      // As far as it goes.
    }
  }

  #step(): boolean {
    if (this.status === 0) return this.#head()
    if (this.#missing === undefined) return this.#chunkHead()
    if (this.#chunked && this.#rest.length < this.#missing + 2) return false
    const part = this.#rest.subarray(0, this.#missing)
    this.text += part.toString()
    this.#missing -= part.length
    this.#rest = this.#rest.subarray(part.length + (this.#chunked ? 2 : 0))
    if (this.#missing > 0) return false
    if (this.#chunked) this.#missing = undefined
    else this.complete = true
    return true
  }

  #head(): boolean {
    const end = this.#rest.indexOf('\r\n\r\n')
    if (end < 0) return false
    const [first = '', ...lines] = this.#rest.toString('latin1', 0, end).split('\r\n')
    const headers = new Map(lines.map((line) => line.toLowerCase().split(': ') as [string, string]))
    this.status = Number(first.split(' ')[1])
    this.type = headers.get('content-type') ?? ''
    this.#chunked = headers.get('transfer-encoding') === 'chunked'
    this.#missing = this.#chunked ? undefined : Number(headers.get('content-length') ?? 0)
    this.#rest = this.#rest.subarray(end + 4)
    return true
  }

  #chunkHead(): boolean {
    const end = this.#rest.indexOf('\r\n')
    if (end < 0) return false
    this.#missing = Number.parseInt(this.#rest.toString('latin1', 0, end), 16)
    this.#rest = this.#rest.subarray(end + 2)
    if (this.#missing === 0) this.complete = true
    return true
  }
}
