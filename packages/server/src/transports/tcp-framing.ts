// Values on a TCP connection, each ended as its client ends them. One framing an ending.

import type { LineFraming } from '../sessions/wire.ts'
import type { Ending } from './tcp-splitter.ts'

function framing(ending: Ending): LineFraming {
  // Clients that end values by 🦀 may look for it anywhere: in JSON it can be written without standing there.
  const escaped = (text: string): string =>
    ending === '🦀' && text.includes('🦀') ? text.replaceAll('🦀', '\\ud83e\\udd80') : text
  const line = (text: string): string => escaped(text) + ending
  const joined = (texts: readonly string[]): { readonly bytes: Uint8Array; readonly ends: readonly number[] } => {
    let end = 0
    const parts = texts.map((text) => Buffer.from(text === '' ? '' : line(text)))
    return { bytes: Buffer.concat(parts), ends: parts.map((part) => (end += part.length)) }
  }
  return {
    text: (text) => Buffer.from(line(text)),
    line,
    texts: joined,
    payloads: (payloads) =>
      joined(
        payloads.map(({ data, binary }) => {
          const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
          return bytes.toString(binary ? 'base64' : 'utf8')
        }),
      ),
  }
}

export const tcpFramings: Readonly<Record<Ending, LineFraming>> = { '\n': framing('\n'), '🦀': framing('🦀') }
