// Lengths of functions, and words that are not used. Both read the code of `source.ts`, in which no text or comment is left.

import { lineAt, type Source } from './source.ts'

export interface LongFunction {
  readonly name: string
  readonly line: number
  readonly lines: number
}

const control = /\b(if|for|while|switch|catch|with)$/

/** Functions of more than `max` lines, their first and last included. A name that is not seen is `?`. */
export function longFunctions({ code }: Source, max: number): LongFunction[] {
  const found: LongFunction[] = []
  const open: { readonly start: number; readonly name: string | undefined }[] = []
  for (let i = 0; i < code.length; i++) {
    if (code[i] === '{') {
      open.push({ start: i, name: functionBefore(code, i) })
    } else if (code[i] === '}') {
      const block = open.pop()
      if (block?.name === undefined) continue
      const line = lineAt(code, block.start)
      const lines = lineAt(code, i) - line + 1
      if (lines > max) found.push({ name: block.name, line, lines })
    }
  }
  return found
}

/** The name of the function whose body begins at `brace`; undefined when it is another kind of block. */
function functionBefore(code: string, brace: number): string | undefined {
  const before = code.slice(Math.max(0, brace - 600), brace).trimEnd()
  if (before.endsWith('=>')) return nameOfArrow(before)
  // A return type may have braces of its own; what follows them tells them from the body of an earlier function.
  const close = /\)\s*(:(?:[^(){};:=]|\{[^{}]*\}(?=\s*(?:[>|&[\]]|$)))*)?$/.exec(before)
  if (close === null) return undefined
  let depth = 0
  for (let i = close.index; i >= 0; i--) {
    if (before[i] === ')') depth++
    else if (before[i] === '(' && --depth === 0) {
      const head = before.slice(0, i).trimEnd()
      if (control.test(head)) return undefined
      return /([#\w$]+)\s*(<[^()]*>)?$/.exec(head)?.[1] ?? '?'
    }
  }
  return '?'
}

function nameOfArrow(before: string): string {
  const line = before.slice(Math.max(0, before.lastIndexOf('\n', before.lastIndexOf('=>')) + 1))
  return /(?:const|let)\s+(\w+)/.exec(line)?.[1] ?? /(\w+)\s*[:=(]/.exec(line)?.[1] ?? '?'
}

export interface Banned {
  readonly pattern: RegExp
  readonly instead: string
  /** Paths, or folders with a `/` at the end, in which it is right. */
  readonly except: readonly string[]
  readonly in?: 'comments'
}

export function bannedWords(files: readonly Source[], banned: readonly Banned[]): string[] {
  const wrong: string[] = []
  for (const file of files) {
    for (const { pattern, instead, except, in: part = 'code' } of banned) {
      if (except.some((path) => file.path.includes(`/src/${path}`))) continue
      for (const match of file[part].matchAll(new RegExp(pattern, 'g'))) {
        wrong.push(`${file.path}:${lineAt(file.text, match.index)} ${match[0].trim()} → ${instead}`)
      }
    }
  }
  return wrong
}
