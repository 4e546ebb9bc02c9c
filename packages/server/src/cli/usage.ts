// Wrong usage of a command: one line, and exit code 2.

import { NitkaError } from '@nitka/protocol'

/** What `read` gives; undefined when it was refused as `invalid`, and then that has been said. */
export function usage<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof NitkaError) || error.code !== 'invalid') throw error
    console.error(`nitka: ${error.message}`)
    return undefined
  }
}
