// Lines of a file that may be of any size, byte for byte, so that a checksum over them is one over the file.

import { NitkaError } from '@nitka/protocol'

/** The largest message and the largest task, escaped, fit in. */
const lineBytesMax = 128 * 2 ** 20
const lineFeed = 0x0a

/**
 * Every line without its end.
 * @param bytesMax of a line
 * @throws NitkaError `invalid` a line is too long
 */
export async function* readLines(
  input: AsyncIterable<Buffer>,
  bytesMax: number = lineBytesMax,
): AsyncGenerator<Buffer> {
  let begun: Buffer[] = []
  let length = 0
  for await (const chunk of input) {
    let from = 0
    for (let at = chunk.indexOf(lineFeed); at !== -1; at = chunk.indexOf(lineFeed, from)) {
      const end = chunk.subarray(from, at)
      yield begun.length === 0 ? end : Buffer.concat([...begun, end])
      begun = []
      length = 0
      from = at + 1
    }
    if (from === chunk.length) continue
    begun.push(chunk.subarray(from))
    length += chunk.length - from
    if (length > bytesMax) throw new NitkaError('invalid', `a line is longer than ${bytesMax} bytes`)
  }
  if (begun.length > 0) yield Buffer.concat(begun)
}
