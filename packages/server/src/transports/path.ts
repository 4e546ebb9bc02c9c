// Which endpoint a path names. Segments are compared one by one and decoded once; there is no pattern language.

import { NitkaError } from '@nitka/protocol'
import type { Endpoint } from '../sessions/dialect.ts'

export interface Found {
  readonly endpoint: Endpoint
  readonly params: Readonly<Record<string, string>>
}

/** @throws NitkaError `invalid` a segment is no valid percent-encoding */
export function matchPath(endpoints: readonly Endpoint[], path: string): Found | undefined {
  const segments = path.split('/')
  for (const endpoint of endpoints) {
    const params = matchOne(endpoint.path.split('/'), segments)
    if (params !== undefined) return { endpoint, params }
  }
  return undefined
}

function matchOne(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined
  const params: Record<string, string> = Object.create(null)
  for (let i = 0; i < pattern.length; i++) {
    const want = pattern[i] ?? ''
    const have = segments[i] ?? ''
    if (want.startsWith(':')) params[want.slice(1)] = decode(have)
    else if (want !== have) return undefined
  }
  return params
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new NitkaError('invalid', 'the path is not valid percent-encoding')
  }
}
