// What a service tells the other nodes, and hears from them. Parts of one subject gather until the pulse, and go as one
// message of the bus; their order is kept. Nothing is promised, as of the bus: parts may be lost, and messages may come
// late, twice or in another order.
//
//   message  part*
//   part     length of the data (4 bytes, the highest first) · mark (1 byte, the service's own) · data

import type { Bus, BusSubscription } from '../bus.ts'
import type { Beat, Pulse } from './pulse.ts'

/** Bytes of one message; a part that is larger goes alone. */
const messageBytesMax = 512 * 1024

/** Bytes of a part's data: what NATS takes in one message (1 MiB) as it is delivered, with some room for the subject. */
const partBytesMax = 1024 * 1024 - 1024

const headBytes = 5

interface Gathered {
  readonly parts: { readonly mark: number; readonly data: Uint8Array }[]
  bytes: number
}

type Counts = Record<
  'partsOut' | 'messagesOut' | 'bytesOut' | 'tooLarge' | 'partsIn' | 'messagesIn' | 'bytesIn' | 'damaged',
  number
>

export class Exchange implements Beat {
  /** Parts and messages, told and heard; parts that were too large to be told; what was heard and not understood. */
  readonly counts: Counts = {
    ...{ partsOut: 0, messagesOut: 0, bytesOut: 0, tooLarge: 0 },
    ...{ partsIn: 0, messagesIn: 0, bytesIn: 0, damaged: 0 },
  }
  readonly #bus: Bus
  readonly #pulse: Pulse
  #gathered = new Map<string, Gathered>()

  constructor(bus: Bus, pulse: Pulse) {
    this.#bus = bus
    this.#pulse = pulse
  }

  /** True: nobody could hear; whoever asks first need not prepare anything. */
  get alone(): boolean {
    return this.#bus.alone
  }

  /**
   * Tells the nodes that listen, with the next pulse at the latest. False: the data is larger than `partBytesMax`, and
   * nobody is told.
   * @param data must not change after
   * @param mark 0 to 255
   */
  tell(subject: string, data: Uint8Array, mark = 0): boolean {
    if (data.length > partBytesMax) {
      this.counts.tooLarge++
      return false
    }
    let gathered = this.#gathered.get(subject)
    if (gathered !== undefined && gathered.bytes + headBytes + data.length > messageBytesMax) {
      this.#publish(subject, gathered)
      gathered = undefined
    }
    if (gathered === undefined) {
      if (this.#gathered.size === 0) this.#pulse.addChannel(this)
      gathered = { parts: [], bytes: 0 }
      this.#gathered.set(subject, gathered)
    }
    gathered.parts.push({ mark, data })
    gathered.bytes += headBytes + data.length
    return true
  }

  /** Calls `handler` for each part that other nodes tell, in their order, until `cancel`. What it throws ends a message. */
  listen(subject: string, handler: (data: Uint8Array, mark: number) => void): BusSubscription {
    return this.#bus.subscribe(subject, (bytes) => {
      this.counts.messagesIn++
      this.counts.bytesIn += bytes.length
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      for (let at = 0; at < bytes.length; ) {
        const begin = at + headBytes
        const end = begin > bytes.length ? begin : begin + view.getUint32(at)
        if (end > bytes.length) {
          this.counts.damaged++
          return
        }
        this.counts.partsIn++
        handler(bytes.subarray(begin, end), bytes[at + 4] ?? 0)
        at = end
      }
    })
  }

  beat(): void {
    const all = this.#gathered
    this.#gathered = new Map()
    for (const [subject, gathered] of all) this.#publish(subject, gathered)
  }

  #publish(subject: string, { parts, bytes }: Gathered): void {
    const message = Buffer.allocUnsafe(bytes)
    let at = 0
    for (const { mark, data } of parts) {
      message.writeUInt32BE(data.length, at)
      message[at + 4] = mark
      message.set(data, at + headBytes)
      at += headBytes + data.length
    }
    this.counts.messagesOut++
    this.counts.partsOut += parts.length
    this.counts.bytesOut += bytes
    this.#bus.publish(subject, message)
  }
}

/** Text as the data of a part. */
export function jsonPart(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

/** The value in a part; undefined when it is no JSON. */
export function readJsonPart(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString())
  } catch {
    return undefined
  }
}
