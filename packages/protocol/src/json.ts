// JSON from outside: parsed once, within bounds, and never able to reach a prototype.

import { NitkaError } from './errors.ts'
import { limits } from './limits.ts'

/**
 * Parses text from outside.
 * @param keysMax keys of all its objects
 * @throws NitkaError `invalid` not JSON, nested deeper than 32, more keys, a key `__proto__`, or a number beyond 1.8e308
 */
export function parseJson(text: string, keysMax: number = limits.jsonKeys): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new NitkaError('invalid', 'not JSON')
  }
  inspect(value, 1, { left: keysMax, max: keysMax })
  return value
}

function inspect(value: unknown, depth: number, count: { left: number; readonly max: number }): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new NitkaError('invalid', 'JSON has a number that is too large to be kept')
  }
  if (typeof value !== 'object' || value === null) return
  if (depth > limits.jsonDepth) throw new NitkaError('invalid', `JSON is nested deeper than ${limits.jsonDepth}`)
  if (Array.isArray(value)) {
    for (const item of value) inspect(item, depth + 1, count)
    return
  }
  // Runs over every value that comes in: `in` needs no list of the keys. What JSON.parse made inherits none that it would find.
  for (const key in value) {
    if (--count.left < 0) throw new NitkaError('invalid', `JSON has more than ${count.max} keys`)
    if (key === '__proto__') throw new NitkaError('invalid', 'JSON has a key "__proto__", which is not allowed')
    inspect((value as Record<string, unknown>)[key], depth + 1, count)
  }
}

/** Whether the value is a JSON object: not null, not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
