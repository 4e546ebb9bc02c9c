// What imports may do: point the right way, run in no circle; and every exported name is wanted by somebody.

import { isTest, lineAt, type Source } from './source.ts'

/** A row of the table: what a folder or file may import besides itself. `type x` permits `import type` alone. */
export type Arrows = Readonly<Record<string, readonly string[]>>

/** Paths in `arrows` are from `folder`; the longest row that fits a file is the one that counts. */
export function wrongArrows(files: readonly Source[], folder: string, arrows: Arrows): string[] {
  const wrong: string[] = []
  for (const file of files) {
    const from = file.path.slice(folder.length)
    const row = longest(Object.keys(arrows), from)
    if (row === undefined) {
      wrong.push(`${file.path}:1 is in no row of the table of arrows → move it, or add a row`)
      continue
    }
    const room = row.endsWith('/') ? `${row.split('/')[0]}/` : row
    for (const { file: target, typeOnly, line } of file.imports) {
      if (target === undefined || target.startsWith('packages/protocol/')) continue
      const to = target.startsWith(folder) ? target.slice(folder.length) : `../${target}`
      if (to.startsWith(room) || permits(arrows[row] ?? [], to, typeOnly)) continue
      const asType = !typeOnly && permits(arrows[row] ?? [], to, true)
      const instead = asType ? '`import type`' : `only ${arrows[row]?.join(', ') || 'itself'}`
      wrong.push(`${file.path}:${line} ${row} imports ${to} → ${instead}`)
    }
  }
  return wrong
}

function permits(row: readonly string[], to: string, typeOnly: boolean): boolean {
  return row.some((entry) => {
    const target = entry.replace(/^type /, '')
    return (typeOnly || target === entry) && (target === '*' || covers(target, to))
  })
}

function covers(target: string, path: string): boolean {
  return target.endsWith('/') ? path.startsWith(target) : path === target
}

function longest(rows: readonly string[], path: string): string | undefined {
  return rows.filter((row) => covers(row, path)).sort((a, b) => b.length - a.length)[0]
}

/** Circles of imports that remain when the types are gone, each told once. */
export function circles(files: readonly Source[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const state = new Map<string, 'open' | 'done'>()
  const wrong: string[] = []
  const visit = (file: Source, trail: readonly string[]): void => {
    state.set(file.path, 'open')
    for (const { file: target, typeOnly, line } of file.imports) {
      const next = typeOnly || target === undefined ? undefined : byPath.get(target)
      if (next === undefined) continue
      if (state.get(next.path) === 'open') {
        const circle = [...trail, file.path]
        const names = [...circle.slice(circle.indexOf(next.path)), next.path]
        wrong.push(`${file.path}:${line} circle ${names.join(' → ')} → \`import type\`, or a port`)
      } else if (state.get(next.path) === undefined) {
        visit(next, [...trail, file.path])
      }
    }
    state.set(file.path, 'done')
  }
  for (const file of files) if (!state.has(file.path)) visit(file, [])
  return wrong
}

/** Every file that is loaded when `entry` is. */
export function loadedBy(entry: string, files: readonly Source[]): Set<string> {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const loaded = new Set<string>()
  const waiting = [entry]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (loaded.has(path)) continue
    loaded.add(path)
    for (const { file, typeOnly } of byPath.get(path)?.imports ?? [])
      if (file !== undefined && !typeOnly) waiting.push(file)
  }
  return loaded
}

const exporting =
  /^export\s+(?:declare\s+)?(?:default\s+)?(?:abstract\s+)?(?:async\s+)?(const|let|function\*?|class|interface|type)\s+(\w+)/gm

/**
 * `file#name` of what is exported and taken by no other file. A type that its own file uses is wanted: a signature names
 * it. A value that only its own file uses needs no `export`.
 */
export function unusedExports(files: readonly Source[], everyFile: readonly Source[]): Map<string, string> {
  const taken = new Set(
    everyFile.flatMap((file) => file.imports.flatMap((one) => one.names.map((name) => `${one.file}#${name}`))),
  )
  const unused = new Map<string, string>()
  for (const file of files) {
    if (isTest(file.path) || file.path.endsWith('/index.ts') || taken.has(`${file.path}#*`)) continue
    for (const match of file.code.matchAll(exporting)) {
      const [, kind = '', name = ''] = match
      if (taken.has(`${file.path}#${name}`)) continue
      const isType = kind === 'interface' || kind === 'type'
      if (isType && [...file.code.matchAll(new RegExp(`\\b${name}\\b`, 'g'))].length > 1) continue
      unused.set(
        `${file.path}#${name}`,
        `${file.path}:${lineAt(file.code, match.index)} ${name} is exported and used nowhere`,
      )
    }
  }
  return unused
}
