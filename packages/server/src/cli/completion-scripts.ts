// The completion scripts of three shells, from what may stand in each place of a command line.

import type { Flag } from './command.ts'

/** A word and what it means; '' when it says that itself. */
export type Word = readonly [word: string, doc: string]

/** What may come after `nitka` and the words of `path`. */
export interface Place {
  readonly path: readonly string[]
  /** Right after the path. */
  readonly words: readonly Word[]
  /** Whether names of files may stand there too. */
  readonly files: boolean
  /** Anywhere after it. */
  readonly flags: readonly Flag[]
}

/** In single quotes, as all three shells read them. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '').replaceAll("'", '’')}'`
}

function flagsWithValue(places: readonly Place[]): { readonly path: string; readonly flag: Flag }[] {
  return places.flatMap(({ path, flags }) =>
    flags.filter(({ value }) => value !== undefined).map((flag) => ({ path: path.join(' '), flag })),
  )
}

/** Cases of the same answer in one, so that the script stays short: patterns → body. */
function cases(pairs: readonly (readonly [pattern: string, body: string])[], indent: string): string {
  const byBody = new Map<string, string[]>()
  for (const [pattern, body] of pairs) byBody.set(body, [...(byBody.get(body) ?? []), pattern])
  return [...byBody].map(([body, patterns]) => `${indent}${[...new Set(patterns)].join('|')}) ${body} ;;`).join('\n')
}

/** A flag's values by its name alone where every place agrees, which is everywhere but for a few. */
function valueCases(places: readonly Place[], body: (among: Flag['among']) => string): [string, string][] {
  return flagsWithValue(places).map(({ path, flag }) => [quoted(`${path} --${flag.name}`), body(flag.among)])
}

export function bashScript(places: readonly Place[]): string {
  const value = (among: Flag['among']): string => {
    if (among === 'files')
      return 'local IFS=$\'\\n\'; COMPREPLY=($(compgen -f -- "$cur")); compopt -o filenames 2>/dev/null; return'
    if (among === 'folders')
      return 'local IFS=$\'\\n\'; COMPREPLY=($(compgen -d -- "$cur")); compopt -o filenames 2>/dev/null; return'
    return among === undefined ? 'return' : `COMPREPLY=($(compgen -W ${quoted(among.join(' '))} -- "$cur")); return`
  }
  const words = places.map(({ path, words, files }): [string, string] => [
    quoted(path.join(' ')),
    `words=${quoted(words.map(([word]) => word).join(' '))}${files ? '; files=1' : ''}`,
  ])
  const flags = places.map(({ path, flags }): [string, string] => [
    quoted(path.join(' ')),
    `flags=${quoted(flags.map(({ name }) => `--${name}`).join(' '))}`,
  ])
  const nested = places.filter(({ path }) => path.length === 2).map(({ path }) => quoted(path.join(' ')))
  return `# bash completion for nitka: written by \`nitka completion bash\`
_nitka() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path='' depth=0 words='' flags='' files=''
  COMPREPLY=()
  # --flag=value comes as three words
  if [ "$cur" = '=' ]; then cur=''; elif [ "$prev" = '=' ]; then prev="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  if [ "$COMP_CWORD" -gt 1 ]; then path="\${COMP_WORDS[1]}"; depth=1; fi
  if [ "$COMP_CWORD" -gt 2 ]; then
    case "$path \${COMP_WORDS[2]}" in
      ${nested.length === 0 ? "''" : nested.join('|')}) path="$path \${COMP_WORDS[2]}"; depth=2 ;;
    esac
  fi
  case "$path $prev" in
${cases(valueCases(places, value), '    ')}
  esac
  if [ "$COMP_CWORD" -eq $((depth + 1)) ]; then
    case "$path" in
${cases(words, '      ')}
    esac
  fi
  case "$path" in
${cases(flags, '    ')}
  esac
  case "$cur" in
    -*) words="$flags" ;;
    *) [ -n "$words" ] || [ -n "$files" ] || words="$flags" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [ -n "$files" ]; then local IFS=$'\\n'; COMPREPLY+=($(compgen -f -- "$cur")); compopt -o filenames 2>/dev/null; fi
}
complete -F _nitka nitka
`
}

export function zshScript(places: readonly Place[]): string {
  const value = (among: Flag['among']): string => {
    if (among === 'files') return '_files; return'
    if (among === 'folders') return '_files -/; return'
    return among === undefined ? 'return' : `compadd -- ${among.join(' ')}; return`
  }
  const pair = ([word, doc]: Word): string => quoted(doc === '' ? word : `${word}:${doc.replaceAll(':', ' ')}`)
  const words = places
    .filter(({ words, files }) => words.length > 0 || files)
    .map(({ path, words, files }): [string, string] => [
      quoted(path.join(' ')),
      `found=(${words.map(pair).join(' ')})${files ? '; _files' : ''}`,
    ])
  const flags = places.map(({ path, flags }): [string, string] => [
    quoted(path.join(' ')),
    `flags=(${flags.map(({ name, doc }) => pair([`--${name}`, doc])).join(' ')})`,
  ])
  const nested = places.filter(({ path }) => path.length === 2).map(({ path }) => quoted(path.join(' ')))
  return `#compdef nitka
# zsh completion for nitka: written by \`nitka completion zsh\`
_nitka() {
  local -a found flags
  local place='' depth=0 prev="\${words[CURRENT-1]}"
  if (( CURRENT > 2 )); then place="\${words[2]}"; depth=1; fi
  if (( CURRENT > 3 )); then
    case "$place \${words[3]}" in
      ${nested.length === 0 ? "''" : nested.join('|')}) place="$place \${words[3]}"; depth=2 ;;
    esac
  fi
  case "$place $prev" in
${cases(valueCases(places, value), '    ')}
  esac
  if (( CURRENT == depth + 2 )); then
    case "$place" in
${cases(words, '      ')}
    esac
  fi
  case "$place" in
${cases(flags, '    ')}
  esac
  if (( \${#found} )) && [[ "\${words[CURRENT]}" != -* ]]; then _describe 'word' found; else _describe -o 'flag' flags; fi
}
if [ "\${funcstack[1]}" = '_nitka' ]; then _nitka "$@"; else compdef _nitka nitka; fi
`
}

export function fishScript(places: readonly Place[]): string {
  const lines = places.flatMap((place) => {
    const { path, words, files, flags } = place
    const exact = `-n ${quoted(`__nitka_just ${path.join(' ')}`.trimEnd())}`
    const below = `-n ${quoted(`__nitka_in ${path.join(' ')}`.trimEnd())}`
    const about = (doc: string): string => (doc === '' ? '' : ` -d ${quoted(doc)}`)
    return [
      ...words.map(([word, doc]) => `complete -c nitka ${exact} -a ${quoted(word)}${about(doc)}`),
      ...(files ? [`complete -c nitka ${exact} -F`] : []),
      ...flags.map(({ name, doc, value, among }) => {
        const list = Array.isArray(among) ? `-x -a ${quoted(among.join(' '))}` : '-x'
        const needs = among === 'files' ? '-r -F' : among === 'folders' ? "-x -a '(__fish_complete_directories)'" : list
        return `complete -c nitka ${below} -l ${name}${value === undefined ? '' : ` ${needs}`}${about(doc)}`
      }),
    ]
  })
  return `# fish completion for nitka: written by \`nitka completion fish\`
# Whether the words so far begin with these, and whether they are these.
function __nitka_in
  set -l given (commandline -opc)
  set -e given[1]
  test (count $argv) -le (count $given); or return 1
  for i in (seq (count $argv))
    test "$given[$i]" = "$argv[$i]"; or return 1
  end
end
function __nitka_just
  test (count (commandline -opc)) -eq (math (count $argv) + 1); and __nitka_in $argv
end
complete -c nitka -f
${lines.join('\n')}
`
}
