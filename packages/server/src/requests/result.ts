// What an executor returned, as JSON text: the same on every way to whoever asked.

import { limits, NitkaError } from '@nitka/protocol'

/** Runs once per request. @throws NitkaError `failed` it is no JSON value, or too large */
export function resultJson(result: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(result)
  } catch (error) {
    throw new NitkaError('failed', `the result is no JSON: ${(error as Error).message}`.slice(0, limits.reasonMax))
  }
  if (text === undefined) return 'null'
  if (text.length <= limits.resultMax) return text
  throw new NitkaError('failed', `the result is larger than ${limits.resultMax} characters`)
}
