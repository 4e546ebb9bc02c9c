// Events of an SSE stream as bytes. Everything is one unnamed event a message; a dialect that needs names builds its own.

import type { Framing } from '../sessions/wire.ts'

export const sseFraming: Framing = {
  text: (text) => Buffer.from(eventText(text)),
  texts: (texts) => joined(texts.map((text) => Buffer.from(eventText(text)))),
  payloads: (payloads) =>
    joined(
      payloads.map(({ data, binary }) => {
        const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
        return Buffer.from(eventText(bytes.toString(binary ? 'base64' : 'utf8')))
      }),
    ),
}

/** No line of the text can end the event or begin another field. */
function eventText(text: string): string {
  return `data: ${text.replaceAll(/\r\n|\r|\n/g, '\ndata: ')}\n\n`
}

function joined(parts: readonly Buffer[]): { readonly bytes: Uint8Array; readonly ends: readonly number[] } {
  let end = 0
  return { bytes: Buffer.concat(parts), ends: parts.map((part) => (end += part.length)) }
}
