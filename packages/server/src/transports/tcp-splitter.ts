// Cuts a stream of bytes into JSON values, each ended by a line feed or by 🦀 (U+1F980). Any fragmentation gives the same
// values. A 🦀 inside a JSON string is part of it; a raw line feed is in no JSON string, so it always ends the value.

import { isAscii } from 'node:buffer'

export type Ending = '\n' | '🦀'

const lineFeed = 0x0a
const quote = 0x22
const backslash = 0x5c
const crab = Buffer.from('🦀')
const [crabFirst = 0] = crab
const nothing = Buffer.alloc(0)

export interface SplitterListener {
  /** One value of `bytes` bytes, without its ending. Empty and blank ones are left out. */
  value(text: string, bytes: number, ending: Ending): void
  /** The value that is coming in is larger than allowed. Nothing follows. `ending` is its own, when it has come already. */
  tooLarge(ending: Ending | undefined): void
  /** Whether the next value may come. Asked after each. Absent: always. */
  ready?(): boolean
}

export class Splitter {
  readonly #bytesMax: number
  readonly #listener: SplitterListener
  /** What came of a value in earlier chunks. */
  #parts: Buffer[] = []
  #partBytes = 0
  #inString = false
  #escaped = false
  /** Bytes of a 🦀 that have matched. */
  #matched = 0
  #ended = false
  /** How the value that was just read is ended. */
  #found: Ending | undefined
  /** What is not cut yet, because the listener was not ready. */
  #rest: Buffer | undefined
  /** The same as text, when that is ASCII: a large rest is decoded once, not once a value. */
  #restText: string | undefined

  constructor(bytesMax: number, listener: SplitterListener) {
    this.#bytesMax = bytesMax
    this.#listener = listener
  }

  /** Values that have ended, those that are blank too. */
  finished = 0

  /** Bytes of an unfinished value. */
  get unfinished(): number {
    return this.#partBytes
  }

  /** Takes the next bytes; tells the values in them. Runs over every byte once. */
  take(bytes: Buffer): void {
    this.#cut(bytes, false)
  }

  /** The listener is ready again. */
  goOn(): void {
    if (this.#rest !== undefined) this.#cut(nothing, false)
  }

  /** No more comes: what waits is told, whether the listener is ready or not. */
  finish(): void {
    if (this.#rest !== undefined) this.#cut(nothing, true)
    this.end()
  }

  #cut(bytes: Buffer, all: boolean): void {
    const { chunk, text } = this.#withRest(bytes)
    // No 🦀 is in ASCII, so there a line feed ends every value, and finding it is the engine's work: several times as fast.
    let start = text === undefined ? 0 : this.#cutLines(chunk, text, all)
    let at = start
    while (at < chunk.length && !this.#ended && this.#rest === undefined) {
      at = this.#inString ? this.#throughString(chunk, at) : this.#toEnding(chunk, at)
      const ending = this.#found
      if (ending === undefined) continue
      this.#found = undefined
      this.#tell(chunk, start, at, ending)
      start = at
      if (!all && start < chunk.length && this.#listener.ready?.() === false) this.#rest = chunk.subarray(start)
    }
    if (this.#ended || this.#rest !== undefined || start === chunk.length) return
    this.#parts.push(start === 0 ? chunk : chunk.subarray(start))
    this.#partBytes += chunk.length - start
    if (this.#partBytes > this.#bytesMax + crab.length) this.#refuse(undefined)
  }

  /** What waited, and `bytes` behind it. `text`: when it is ASCII and has an ending. */
  #withRest(bytes: Buffer): { readonly chunk: Buffer; readonly text: string | undefined } {
    const rest = this.#rest
    const restText = this.#restText
    this.#rest = undefined
    this.#restText = undefined
    if (rest !== undefined && bytes.length === 0) return { chunk: rest, text: restText }
    const chunk = rest === undefined ? bytes : Buffer.concat([rest, bytes])
    return { chunk, text: chunk.includes(lineFeed) && isAscii(chunk) ? chunk.toString('latin1') : undefined }
  }

  /** Tells the values of a chunk that is ASCII. Gives where the last one ended. */
  #cutLines(chunk: Buffer, text: string, all: boolean): number {
    let start = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      if (this.#parts.length > 0) this.#tell(chunk, start, end + 1, '\n')
      else this.#say(text.slice(start, end), end - start, '\n')
      start = end + 1
      if (this.#ended) break
      if (all || start === text.length || this.#listener.ready?.() !== false) continue
      this.#rest = chunk.subarray(start)
      this.#restText = text.slice(start)
      break
    }
    return start
  }

  /** Takes nothing more. */
  end(): void {
    this.#ended = true
    this.#rest = undefined
    this.#restText = undefined
    this.#parts = []
    this.#partBytes = 0
  }

  /** Reads outside strings, up to an ending or the begin of a string. Gives where it stopped. */
  #toEnding(chunk: Buffer, from: number): number {
    let matched = this.#matched
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at]
      if (byte === lineFeed) {
        this.#found = '\n'
        return at + 1
      }
      if (byte === quote) {
        this.#inString = true
        this.#matched = 0
        return at + 1
      }
      if (matched === 0 && byte !== crabFirst) continue
      if (byte === crab[matched]) matched += 1
      else matched = byte === crabFirst ? 1 : 0
      if (matched === crab.length) {
        this.#found = '🦀'
        return at + 1
      }
    }
    this.#matched = matched
    return chunk.length
  }

  /** Reads inside a string, up to its end or a line feed. */
  #throughString(chunk: Buffer, from: number): number {
    let escaped = this.#escaped
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at]
      if (byte === lineFeed) {
        this.#found = '\n'
        return at + 1
      }
      if (escaped) escaped = false
      else if (byte === backslash) escaped = true
      else if (byte === quote) {
        this.#inString = false
        this.#escaped = false
        return at + 1
      }
    }
    this.#escaped = escaped
    return chunk.length
  }

  #tell(chunk: Buffer, start: number, end: number, ending: Ending): void {
    let value = chunk.subarray(start, end)
    if (this.#parts.length > 0) {
      value = Buffer.concat([...this.#parts, value])
      this.#parts = []
      this.#partBytes = 0
    }
    const bytes = value.length - (ending === '\n' ? 1 : crab.length)
    this.#say(value.toString('utf8', 0, bytes), bytes, ending)
  }

  #say(text: string, bytes: number, ending: Ending): void {
    this.finished++
    this.#inString = false
    this.#escaped = false
    this.#matched = 0
    if (bytes > this.#bytesMax) this.#refuse(ending)
    else if (!isBlank(text)) this.#listener.value(text, bytes, ending)
  }

  #refuse(ending: Ending | undefined): void {
    this.end()
    this.#listener.tooLarge(ending)
  }
}

/** Nothing but what JSON has for white space: between CR and LF, after a 🦀, of an empty line. */
function isBlank(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code !== 0x20 && code !== 0x0d && code !== 0x09) return false
  }
  return true
}
