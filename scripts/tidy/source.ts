// The files of the repository, and their code without comments and texts, so that a pattern finds code alone. A light
// scanner, not a parser: it knows comments, quotes, templates and regular expressions, and nothing else of the language.

import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'

export const root = join(import.meta.dirname, '../..')

export interface Import {
  readonly line: number
  /** As written. */
  readonly from: string
  /** The file it means, from the root; undefined for a package. */
  readonly file: string | undefined
  /** Nothing of it is left when the types are gone. */
  readonly typeOnly: boolean
  /** The exported names it takes; `*` for all of them. */
  readonly names: readonly string[]
}

export interface Source {
  /** From the root, with `/`. */
  readonly path: string
  readonly text: string
  /** `text` with comments and the insides of quotes and patterns blanked; every position is the same. */
  readonly code: string
  /** The reverse: only comments are left. */
  readonly comments: string
  readonly imports: readonly Import[]
}

const readSources = new Map<string, Source>()

/** What git knows or would add; without git, what lies there and is no product. */
export const repositoryFiles: readonly string[] = listFiles()

function listFiles(): string[] {
  let files: string[]
  try {
    const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
    files = execFileSync('git', list, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\0')
  } catch {
    const products = /(^|\/)(node_modules|dist|coverage|data|\.git)(\/|$)/
    files = globSync(['**/*', '.*', '.*/**'], { cwd: root, exclude: (path) => products.test(path) })
  }
  return files.filter((file) => file !== '' && statSync(join(root, file), { throwIfNoEntry: false })?.isFile()).sort()
}

export function sources(wanted: (path: string) => boolean): Source[] {
  return repositoryFiles.filter((path) => /\.(ts|tsx|mjs|js)$/.test(path) && wanted(path)).map(source)
}

export function source(path: string): Source {
  let known = readSources.get(path)
  if (known === undefined) {
    const text = readFileSync(join(root, path), 'utf8')
    const { code, comments } = separate(text)
    known = { path, text, code, comments, imports: importsOf(path, text, code) }
    readSources.set(path, known)
  }
  return known
}

/** Tests and what only tests load. */
export function isTest(path: string): boolean {
  return /\.test\.ts$|^packages\/[^/]+\/(test|testing)\/|\/conformance\//.test(path)
}

export function lineAt(text: string, index: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i !== -1 && i < index; i = text.indexOf('\n', i + 1)) line++
  return line
}

/** After these, a slash begins a pattern; after anything else it divides. */
const beforePattern = /(^|[([{,;:=!&|?+\-*%~^<>]|\b(return|typeof|case|in|of|do|else|void|throw|await|yield))\s*$/

export function separate(text: string): { code: string; comments: string } {
  const blank = (part: string): string => part.replaceAll(/[^\n]/g, ' ')
  let [code, comments] = ['', '']
  const keep = (part: string): void => {
    code += part
    comments += blank(part)
  }
  const braces: ('block' | 'template')[] = []
  let i = 0
  const quoted = (end: number): void => {
    keep(text.slice(i, i + 1))
    keep(blank(text.slice(i + 1, end - 1)))
    keep(text.slice(Math.max(i + 1, end - 1), end))
    i = end
  }
  while (i < text.length) {
    const rest = text[i] === '/' ? text.slice(i, i + 2) : ''
    if (rest === '//' || rest === '/*') {
      const end = rest === '//' ? text.indexOf('\n', i) : text.indexOf('*/', i) + 2
      const comment = text.slice(i, end < i + 2 ? undefined : end)
      code += blank(comment)
      comments += comment
      i += comment.length
    } else if (text[i] === "'" || text[i] === '"') {
      quoted(afterQuote(text, i))
    } else if (text[i] === '/' && beforePattern.test(code.slice(-40))) {
      quoted(afterPattern(text, i))
    } else if (text[i] === '`' || (text[i] === '}' && braces.at(-1) === 'template')) {
      if (text[i] === '}') braces.pop()
      const end = afterTemplatePart(text, i)
      if (text[end - 1] === '{') braces.push('template')
      quoted(end)
    } else {
      if (text[i] === '{') braces.push('block')
      else if (text[i] === '}') braces.pop()
      keep(text.slice(i, i + 1))
      i++
    }
  }
  return { code, comments }
}

function afterQuote(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === text[start] || text[i] === '\n') return i + 1
  }
  return text.length
}

function afterPattern(text: string, start: number): number {
  let inClass = false
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '[') inClass = true
    else if (text[i] === ']') inClass = false
    else if (text[i] === '\n' || (text[i] === '/' && !inClass)) return i + 1
  }
  return text.length
}

/** Up to the end of the template or to the `{` of its next substitution. */
function afterTemplatePart(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '`') return i + 1
    else if (text[i] === '$' && text[i + 1] === '{') return i + 2
  }
  return text.length
}

const importing = /\b(?:import|export)\b\s*(type\b(?!\s*(?:,|from\b)))?\s*([\w\s{},*$]*?)\s*\bfrom\s*(['"] *['"])/dg
const loading = /(\btypeof\s+)?\bimport\s*\(?\s*(['"] *['"])/dg

function importsOf(path: string, text: string, code: string): Import[] {
  const found: Import[] = []
  const add = (index: number, quotes: [number, number] | undefined, typeOnly: boolean, names: string[]): void => {
    if (quotes === undefined) return
    const from = text.slice(quotes[0] + 1, quotes[1] - 1)
    found.push({ line: lineAt(text, index), from, file: resolveImport(path, from), typeOnly, names })
  }
  for (const match of code.matchAll(importing)) {
    add(match.index, match.indices?.[3], match[1] !== undefined, namesIn(match[2] ?? ''))
  }
  for (const match of code.matchAll(loading)) add(match.index, match.indices?.[2], match[1] !== undefined, ['*'])
  return found
}

/** `a, { type B, c as d }` is B and c, and the default. */
function namesIn(clause: string): string[] {
  if (clause.includes('*')) return ['*']
  const [outside = '', inside = ''] = clause.split(/[{}]/)
  const names = inside.split(',').map(
    (name) =>
      name
        .trim()
        .replace(/^type\s+/, '')
        .split(/\s+as\s+/)[0] ?? '',
  )
  if (outside.replaceAll(/[\s,]/g, '') !== '') names.push('default')
  return names.filter((name) => name !== '')
}

const ownPackages: Record<string, string> = {
  '@nitka/protocol': 'packages/protocol/src/index.ts',
  '@nitka/protocol/schemas': 'packages/protocol/src/schemas/index.ts',
  '@nitka/client': 'packages/client/src/index.ts',
  nitka: 'packages/server/src/index.ts',
}

/** The file of the repository that an import means; undefined for a package of somebody else. */
export function resolveImport(path: string, from: string): string | undefined {
  if (!from.startsWith('.')) return ownPackages[from]
  return posix.join(dirname(path), from)
}

export function exists(path: string): boolean {
  return existsSync(join(root, path))
}
