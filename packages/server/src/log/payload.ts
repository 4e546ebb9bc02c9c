// What a message may carry: any JSON value but null and the empty string, within a size.

import { byteLength, NitkaError } from '@nitka/protocol'

/**
 * The payload as JSON text. A string is measured as its own bytes of UTF-8, everything else as JSON.
 * @param bytesMax 0: no limit
 * @throws NitkaError `invalid`, `too-large`
 */
export function payloadText(value: unknown, field: string, bytesMax: number): string {
  if (value === undefined || value === null) throw new NitkaError('invalid', `${field} is missing`, { field })
  if (value === '') throw new NitkaError('invalid', `${field} must not be empty`, { field })
  const text = JSON.stringify(value)
  if (bytesMax === 0 || text.length * 3 <= bytesMax) return text
  const bytes = byteLength(typeof value === 'string' ? value : text)
  if (bytes <= bytesMax) return text
  throw new NitkaError('too-large', `${field} is ${bytes} bytes, at most ${bytesMax} are allowed`, { field })
}
