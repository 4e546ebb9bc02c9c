// Names as engines take them: text of so many bytes, whatever they store it in.

import { NitkaError } from '@nitka/protocol'

/**
 * A name as UTF-8.
 * @throws NitkaError `invalid` empty, longer than `bytesMax`, a NUL in it, or half a surrogate pair
 */
export function nameBytes(text: string, field: string, bytesMax: number): Buffer {
  checkName(text, field, bytesMax)
  return Buffer.from(text)
}

/** The check of `nameBytes` alone. Runs a few times per entry. */
export function checkName(text: string, field: string, bytesMax: number): void {
  const fits = text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax
  if (text.length > 0 && fits && !text.includes('\0') && text.isWellFormed()) return
  throw new NitkaError('invalid', `${field} must be 1 to ${bytesMax} bytes of UTF-8 without NUL`, { field })
}
