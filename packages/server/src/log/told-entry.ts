// An entry as nodes tell each other of it: whole, so that who follows the log need not read it from the store. The header
// is a line of JSON, the body follows as it is stored. The header ends at the first line feed: JSON text has none.

import type { LiveEntry } from './feed.ts'

/** Larger entries are not carried: that they are there is told, and the store is read. Bytes, about. */
const carriedBytesMax = 128 * 1024

/** The data of a part, or undefined: too large. */
export function toldEntry({ offset, id, time, sender, body, thread, clientId }: LiveEntry): Uint8Array | undefined {
  if (body.length > carriedBytesMax) return undefined
  return Buffer.from(`${JSON.stringify([offset, id, time, sender, thread ?? null, clientId ?? null])}\n${body}`)
}

/** The entry in the data of a part; undefined when it is none. */
export function readToldEntry(data: Uint8Array): LiveEntry | undefined {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString()
  const end = text.indexOf('\n')
  let header: unknown
  try {
    header = JSON.parse(text.slice(0, Math.max(0, end)))
  } catch {
    return undefined
  }
  if (!Array.isArray(header)) return undefined
  const [offset, id, time, sender, thread, clientId] = header as unknown[]
  if (typeof offset !== 'number' || typeof id !== 'string' || typeof time !== 'number' || typeof sender !== 'string') {
    return undefined
  }
  return {
    ...{ offset, id, time, sender, body: text.slice(end + 1) },
    ...(typeof thread === 'string' ? { thread } : {}),
    ...(typeof clientId === 'string' ? { clientId } : {}),
  }
}
