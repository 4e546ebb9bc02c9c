// The version of this package.

import { readFileSync } from 'node:fs'
import { parseJson } from '@nitka/protocol'

let known: string | undefined

export function ownVersion(): string {
  known ??= (parseJson(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string })
    .version
  return known
}
