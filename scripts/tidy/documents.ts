// What the documents say of the code: paths, links, and the tables of the reference.

import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { exists, lineAt, repositoryFiles, root } from './source.ts'

/** Where a path of `docs/walks.md` may begin. */
const walkRoots = ['', 'packages/', 'packages/server/', 'packages/server/src/', 'packages/protocol/src/']

export function read(path: string): string {
  if (!exists(path)) throw new Error(`${path} does not exist`)
  return readFileSync(join(root, path), 'utf8')
}

/** Paths in backticks, and at the beginning of the lines of code blocks and tables. `…` stands for any folder. */
export function missingWalkPaths(document: string): string[] {
  const text = read(document)
  const wrong: string[] = []
  let paths = 0
  for (const match of text.matchAll(/`([^`\s]+)`|^(?:\|\s*)?([^\s|`]+)/gm)) {
    const path = match[1] ?? match[2] ?? ''
    if (!/^[\w@.…*-]+(\/[\w@.…*-]+)*\/?$/.test(path) || !/\.(ts|mjs|md|json)$|\w\/$/.test(path)) continue
    paths++
    if (!walkRoots.some((start) => someFile(start + path))) {
      wrong.push(`${document}:${lineAt(text, match.index)} ${path} → a file that exists`)
    }
  }
  return paths === 0 ? [`${document}:1 names no path → a path a step`] : wrong
}

function someFile(path: string): boolean {
  if (!/[…*]/.test(path)) return exists(path)
  const escaped = path.replaceAll(/[.+?()[\]{}$^|\\]/g, String.raw`\$&`).replaceAll(/…|\*+/g, '.*')
  return repositoryFiles.some((file) => new RegExp(`^${escaped}`).test(file))
}

export function brokenLinks(document: string): string[] {
  const text = read(document)
  const prose = text.replaceAll(/^(```|~~~)[\s\S]*?^\1|`[^`\n]*`/gm, (code) => code.replaceAll(/[^\n]/g, ' '))
  const wrong: string[] = []
  for (const match of prose.matchAll(/\]\(\s*<?([^)\s>]+)[^)]*\)|^\[[^\]]+\]:\s*(\S+)/gm)) {
    const target = (match[1] ?? match[2] ?? '').replace(/[#?].*$/, '')
    if (target === '' || /^([a-z][a-z\d+.-]*:|\/\/)/i.test(target)) continue
    const path = target.startsWith('/') ? target.slice(1) : posix.join(posix.dirname(document), decodeURI(target))
    if (!exists(path)) wrong.push(`${document}:${lineAt(text, match.index)} ${target} → a path that exists`)
  }
  return wrong
}

/** The names that a reference page documents: a table row whose first cell is one name in backticks, or a heading that is. */
export function documentedNames(document: string): Map<string, number> {
  const text = read(document)
  const names = new Map<string, number>()
  for (const match of text.matchAll(/^(?:\|\s*|#+\s+)`([A-Za-z][\w.-]*)`\s*(?:\||$)/gm)) {
    names.set(match[1] ?? '', lineAt(text, match.index))
  }
  return names
}

/** Both ways: what the code has and the page has not, and the other way round. */
export function differences(
  document: string,
  documented: ReadonlyMap<string, number>,
  code: Iterable<string>,
  from: string,
): string[] {
  const known = new Set(code)
  const missing = [...known].filter((name) => !documented.has(name))
  const extra = [...documented].filter(([name]) => !known.has(name))
  return [
    ...missing.map((name) => `${document}:1 lacks ${name}, which is in ${from} → document it`),
    ...extra.map(([name, line]) => `${document}:${line} ${name} is not in ${from} → remove it`),
  ]
}

/** The object that a source file exports under `name`; fails with what is missing. */
export async function exportedTable(path: string, name: string): Promise<Record<string, unknown>> {
  if (!exists(path)) throw new Error(`${path} does not exist: it is to export \`${name}\``)
  const module: Record<string, unknown> = await import(join(root, path))
  const table = module[name]
  if (typeof table !== 'object' || table === null) throw new Error(`${path} exports no object \`${name}\``)
  return table as Record<string, unknown>
}
