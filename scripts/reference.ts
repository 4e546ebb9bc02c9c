// Writes docs/reference: the tables of errors, close codes, options and metrics, from the code that they describe.
// `npm run docs`; reference.test.ts fails when the pages are not what this would write. What the packages export is
// described by `npm run docs:api`, which takes longer and installs a tool of its own.

import { mkdirSync, writeFileSync } from 'node:fs'
import { type CloseReason, closeCodes, closeTexts } from '../packages/protocol/src/close-codes.ts'
import { type ErrorCode, errors } from '../packages/protocol/src/errors.ts'
import { series } from '../packages/server/src/observe/series.ts'
import { environmentName, flagName, type Option, type OptionName, options } from '../packages/server/src/options.ts'

export const folder = new URL('../docs/reference/', import.meta.url)

const meanings: Readonly<Record<ErrorCode, string>> = {
  invalid: 'A field is missing, of the wrong kind or out of range; the message names it and says what is allowed.',
  unauthenticated: 'The server does not know who you are.',
  forbidden: 'You may not do that: not your user, no member, not permitted.',
  'not-found': 'There is no such room, method, path or message.',
  conflict: 'The name is taken, or the client id was used before for another payload.',
  busy: 'So many resources were not free within the time that the request wanted to wait.',
  failed: 'The executor of the request refused or failed; the text is its own.',
  timeout: 'The executor did not answer in time. Whether it did its work is unknown.',
  'too-large': 'The message, body or head is over its limit.',
  overloaded: 'A limit of number or rate is reached; wait, then come back.',
  internal: 'A fault of the server. The outcome is unknown: repeat with the same client id.',
  unavailable:
    'The store, or what tokens are checked with, cannot answer now. The outcome is unknown: repeat with the same client id.',
  draining: 'The server is stopping; nothing was done. Come back, elsewhere if you can.',
  damaged: 'The store holds it but cannot read it; see docs/storage.md.',
}

const generated = '<!-- Written by `npm run docs`; edit the code instead. -->'

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function errorPage(): string {
  const rows = Object.entries(errors).map(([code, { http, rpc, retry }]) => [
    `\`${code}\``,
    String(http),
    String(rpc),
    retry,
    meanings[code as ErrorCode],
  ])
  const closings = Object.entries(closeCodes).map(([name, { code, retry }]) => [
    `\`${name}\``,
    String(code),
    retry,
    closeTexts[name as CloseReason],
  ])
  return `# Errors

${generated}

Over HTTP an error is \`application/problem+json\` with the code in \`code\` and the field in \`field\`. Over rpc it is a
JSON-RPC error with the number below, and the code in \`data.code\`. In the plain dialects it is one text frame,
\`error: <reason>\`. Codes are stable; read them, not the texts.

${table(['code', 'HTTP', 'rpc', 'repeat', 'meaning'], rows)}

JSON-RPC's own numbers are used as they are defined: -32700 not JSON, -32600 not a call, -32601 no such method.

# Close codes

${table(['name', 'code', 'come back', 'why'], closings)}
`
}

function defaultOf(option: Option): string {
  const { default: value } = option
  if (Array.isArray(value)) return 'none'
  if (value === '') return 'empty'
  return `\`${String(value)}\``
}

function optionPage(): string {
  const rows = (Object.keys(options) as OptionName[]).map((name) => {
    const option: Option = options[name]
    const range = option.kind === 'number' ? `${option.min} to ${option.max}` : option.kind
    return [
      `\`${name}\``,
      `\`--${flagName(name)}\``,
      `\`${environmentName(name)}\``,
      defaultOf(option),
      range,
      option.doc,
    ]
  })
  return `# Options

${generated}

In code an option is a field of \`createServer({…})\`; on the command line a flag; in the environment, or in a file \`.env\`
in the working directory, a variable; in a JSON file, named by \`--config\` or \`NITKA_CONFIG\`, a field. Flags win over the
environment, that over \`.env\`, that over the file. A list is separated by commas. An option that is not known is an error that names the nearest one. \`nitka config\` prints what is in force.
Names that end in \`Ms\` are milliseconds, in \`Bytes\` bytes.

${table(['name', 'flag', 'environment', 'default', 'allowed', 'meaning'], rows)}
`
}

function metricPage(): string {
  const rows = Object.entries(series).map(([name, { type, help, label }]) => [
    `\`${name}\``,
    type,
    label === undefined ? '' : `\`${label}\``,
    help,
  ])
  const commits = ['`nitka_store_commit_seconds`', 'histogram', '', 'Duration of commits, with their sync.']
  return `# Metrics

${generated}

\`GET /metrics\` answers in Prometheus' text format. No user, room or channel is ever a label. Node's own metrics
(\`process_\`, \`nodejs_\`) are there too, event-loop delay among them.

${table(['name', 'type', 'label', 'meaning'], [...rows, commits])}
`
}

/** File name → content. */
export function referencePages(): Readonly<Record<string, string>> {
  return { 'errors.md': errorPage(), 'options.md': optionPage(), 'metrics.md': metricPage() }
}

if (import.meta.main) {
  mkdirSync(folder, { recursive: true })
  for (const [name, content] of Object.entries(referencePages())) writeFileSync(new URL(name, folder), content)
}
