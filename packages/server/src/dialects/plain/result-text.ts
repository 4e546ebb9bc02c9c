// The outcome of a request as JSON text: what the executor returned, or `{"err": …}`.

import type { Outcome } from '../../requests/request.ts'

/** Largest result, characters of JSON. */
const resultMax = 1024 * 1024

/** Runs once per request. */
export function resultText(outcome: Outcome): string {
  if ('error' in outcome) return JSON.stringify({ err: outcome.error.message })
  let text: string | undefined
  try {
    text = JSON.stringify(outcome.result)
  } catch (error) {
    return JSON.stringify({ err: `the result is no JSON: ${(error as Error).message}`.slice(0, 1_000) })
  }
  if (text === undefined) return 'null'
  return text.length <= resultMax ? text : JSON.stringify({ err: `the result is larger than ${resultMax} characters` })
}
