// Names from outside: users, devices, rooms, channels. One rule each, with an error that says it.

import { NitkaError } from './errors.ts'
import { limits } from './limits.ts'

const encoder = /* @__PURE__ */ new TextEncoder()

/** Bytes of UTF-8. */
export function byteLength(text: string): number {
  return encoder.encode(text).length
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x20 || unit === 0x7f) return true
  }
  return false
}

/** @throws NitkaError `invalid` unless 1 to `max` bytes of well-formed UTF-8 without control characters */
function checkText(text: string, field: string, max: number): string {
  if (text === '') throw new NitkaError('invalid', `${field} must not be empty`, { field })
  if (text.length > max || byteLength(text) > max) {
    throw new NitkaError('invalid', `${field} must be at most ${max} bytes of UTF-8`, { field })
  }
  if (hasControl(text)) throw new NitkaError('invalid', `${field} must not contain control characters`, { field })
  if (!text.isWellFormed()) throw new NitkaError('invalid', `${field} must be well-formed Unicode`, { field })
  return text
}

/** A user from a JSON field: a string, or an integer that JSON keeps exactly. The text is the identity. */
export function userName(value: unknown, field: string): string {
  if (value === undefined || value === null) throw new NitkaError('invalid', `${field} is missing`, { field })
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) {
      throw new NitkaError('invalid', `${field} must be a string or an integer within ±(2^53 − 1)`, { field })
    }
    return String(value)
  }
  if (typeof value !== 'string') throw new NitkaError('invalid', `${field} must be a string or an integer`, { field })
  return checkText(value, field, limits.nameBytes)
}

/** A client message id: 1 to 64 bytes. */
export function clientMessageId(value: unknown, field: string): string {
  if (typeof value !== 'string') throw new NitkaError('invalid', `${field} must be a string`, { field })
  return checkText(value, field, limits.clientIdBytes)
}

/** A device: like a user's name. */
export function deviceName(value: string): string {
  return checkText(value, 'device', limits.nameBytes)
}

/** A room or relay channel: 1 to 128 of `A-Z a-z 0-9 _ -`. */
export function plainName(value: unknown, field: string): string {
  if (typeof value !== 'string' || !/^[A-Za-z0-9_-]{1,128}$/.test(value)) {
    throw new NitkaError('invalid', `${field} must be 1 to 128 of the characters A-Z a-z 0-9 _ -`, { field })
  }
  return value
}

/** What people read as a room's name: 1 to 128 bytes. */
export function displayName(value: unknown, field: string): string {
  if (typeof value !== 'string') throw new NitkaError('invalid', `${field} must be a string`, { field })
  return checkText(value, field, limits.nameBytes)
}
