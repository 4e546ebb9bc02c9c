// JSON from outside: parsed once, within bounds, and never able to reach a prototype.

import { NitkaError } from './errors.ts'
import { limits } from './limits.ts'

/**
 * Parses text from outside.
 * @throws NitkaError `invalid` not JSON, nested deeper than 32, more than 1,000 keys, or a key `__proto__`
 */
export function parseJson(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new NitkaError('invalid', 'not JSON')
  }
  if (typeof value === 'object' && value !== null) inspect(value, 1, { keys: 0 })
  return value
}

function inspect(value: object, depth: number, count: { keys: number }): void {
  if (depth > limits.jsonDepth) throw new NitkaError('invalid', `JSON is nested deeper than ${limits.jsonDepth}`)
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object' && item !== null) inspect(item, depth + 1, count)
    return
  }
  for (const key of Object.keys(value)) {
    if (++count.keys > limits.jsonKeys) throw new NitkaError('invalid', `JSON has more than ${limits.jsonKeys} keys`)
    if (key === '__proto__') throw new NitkaError('invalid', 'JSON has a key "__proto__", which is not allowed')
    const item = (value as Record<string, unknown>)[key]
    if (typeof item === 'object' && item !== null) inspect(item, depth + 1, count)
  }
}

/** Whether the value is a JSON object: not null, not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
