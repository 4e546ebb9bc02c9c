// What the limits of an address count under.

import { isLoopback } from './origin.ts'

/**
 * The address; of IPv6 its network of 64 bits, which one household has to itself. Undefined: this machine or a Unix socket,
 * where everybody may be anybody, so that nobody is counted.
 */
export function addressKey(address: string): string | undefined {
  if (address === '' || isLoopback(address)) return undefined
  const bare = address.replace(/^::ffff:/, '')
  if (!bare.includes(':')) return bare
  const [head = '', tail] = bare.split('::')
  const left = head === '' ? [] : head.split(':')
  if (tail === undefined) return left.slice(0, 4).join(':')
  const right = tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0')
  return [...left, ...zeros, ...right].slice(0, 4).join(':')
}
