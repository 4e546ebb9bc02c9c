// Whether everything that the packages export says what it is: a comment that begins with `/**` stands before it.

import { lineAt, resolveImport, source } from './source.ts'

const exported = /^export\s+(?:type\s+)?(\*|\{[^}]*\})\s+from\s+'([^']+)'/gm

/** Names that a file exports without one, those that it takes from other files of the repository included. */
export function undocumentedExports(path: string, names: readonly string[] = ['*']): string[] {
  const { text } = source(path)
  const wrong: string[] = []
  const known = new Set<string>()
  for (const [, clause = '', from = ''] of text.matchAll(exported)) {
    const inside = clause === '*' ? ['*'] : namesIn(clause)
    for (const name of inside) known.add(name)
    const wanted = names.includes('*') ? inside : inside.filter((name) => names.includes(name))
    const file = resolveImport(path, from)
    if (file !== undefined && wanted.length > 0) wrong.push(...undocumentedExports(file, wanted))
  }
  for (const match of text.matchAll(declared)) {
    const [, comment, name = ''] = match
    known.add(name)
    if (comment !== undefined || !(names.includes('*') || names.includes(name))) continue
    wrong.push(`${path}:${lineAt(text, match.index)} ${name} is exported to users → a docstring`)
  }
  const missing = names.filter((name) => name !== '*' && !known.has(name) && !known.has('*'))
  return [
    ...wrong,
    ...missing.map((name) => `${path}:1 declares no ${name} that this check can see → a plain \`export\``),
  ]
}

/** The end of a docstring right before it, when there is one. */
const declared =
  /(\*\/\n)?^export\s+(?:declare\s+|abstract\s+|async\s+)*(?:interface|type|class|function\*?|const|enum)\s+(\w+)/gm

function namesIn(clause: string): string[] {
  return clause
    .replaceAll(/[{}\n]/g, ' ')
    .split(',')
    .map((name) => name.trim().replace(/^type\s+/, ''))
    .filter((name) => name !== '')
}
