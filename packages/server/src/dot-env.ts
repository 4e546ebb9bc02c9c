// What a file `.env` adds to the environment of a process.

import { readFileSync } from 'node:fs'

/** The environment with what `.env` adds to it. A missing file adds nothing. */
export function withDotEnv(
  environment: Readonly<Record<string, string | undefined>>,
  path = '.env',
): Record<string, string | undefined> {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch {
    return { ...environment }
  }
  const added: Record<string, string> = {}
  for (const line of content.split('\n')) {
    const found = /^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line)
    if (found?.[1] === undefined) continue
    const { 2: value = '' } = found
    const quoted = /^(["'])(.*?)\1(?:\s+#.*)?$/.exec(value)
    added[found[1]] = quoted?.[2] ?? value.replace(/\s+#.*$/, '')
  }
  return { ...added, ...environment }
}
