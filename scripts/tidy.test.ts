// The style that runs. The tables come first, to be adjusted; every failure is `file:line what → what instead`.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { entries } from './api/entries.mjs'
import { undocumentedExports } from './tidy/docstrings.ts'
import { brokenLinks, differences, documentedNames, exportedTable, missingWalkPaths, read } from './tidy/documents.ts'
import { type Arrows, circles, loadedBy, unusedExports, wrongArrows } from './tidy/imports.ts'
import { type Banned, bannedWords, longFunctions } from './tidy/shape.ts'
import { exists, isTest, lineAt, repositoryFiles, root, separate, sources } from './tidy/source.ts'

/**
 * Folder or file of packages/server/src → what it may import besides its own folder and `@nitka/protocol`. `type x`: only
 * by `import type`. `*`: everything. The row with the longest name counts.
 */
const arrows: Arrows = {
  'world.ts': [],
  'version.ts': [],
  'bus.ts': [],
  'gate.ts': [],
  'fanout/': ['world.ts', 'bus.ts'],
  'log/': ['world.ts', 'bus.ts', 'gate.ts', 'fanout/'],
  'relay/': ['world.ts', 'bus.ts', 'fanout/', 'log/'],
  'direct/': ['world.ts', 'bus.ts', 'fanout/', 'log/'],
  'rooms/': ['world.ts', 'bus.ts', 'rates.ts', 'fanout/', 'log/', 'type nodes/'],
  'trace/': ['world.ts', 'log/'],
  'tasks/': ['world.ts'],
  'fifo.ts': [],
  'token-bucket.ts': ['world.ts'],
  'rates.ts': ['world.ts', 'token-bucket.ts'],
  'suggestion.ts': [],
  'options.ts': [],
  'dot-env.ts': [],
  'memory.ts': ['options.ts', 'type config.ts'],
  'nodes/': ['world.ts', 'bus.ts'],
  'requests/': ['world.ts', 'fifo.ts', 'nodes/'],
  'pools/': ['world.ts', 'fifo.ts', 'nodes/'],
  // The rules of reports and back-offs are pure, so that both engines decide alike.
  'engines/': [
    'world.ts',
    'bus.ts',
    'gate.ts',
    'type nodes/',
    'type log/',
    'type rooms/',
    'type direct/',
    'type pools/',
    'type nodes/',
    'tasks/rules.ts',
    'tasks/task-store.ts',
  ],
  'engines/conformance/': ['*'],
  'sessions/': ['world.ts', 'token-bucket.ts', 'rates.ts', 'fanout/'],
  'dialects/': [
    'world.ts',
    'fanout/',
    'sessions/',
    'log/',
    'relay/',
    'direct/',
    'rooms/',
    'tasks/',
    'requests/',
    'pools/',
    'trace/',
  ],
  'transports/': ['world.ts', 'version.ts', 'sessions/', 'type dialects/'],
  'transports/http/': [
    'world.ts',
    'version.ts',
    'sessions/',
    'type dialects/',
    'type observe/',
    'log/',
    'relay/',
    'direct/',
    'rooms/',
    'tasks/',
    'requests/',
    'pools/',
    'trace/',
  ],
  'observe/': ['world.ts', 'type *'],
  'cli/': ['*'],
  'server.ts': ['*'],
  'events.ts': ['world.ts', 'type sessions/', 'type tasks/'],
  'event-sources.ts': ['type events.ts', 'type log/', 'direct/', 'type sessions/', 'type tasks/'],
  'services.ts': ['*'],
  'open-engine.ts': ['*'],
  'authentication.ts': ['world.ts', 'config.ts', 'sessions/', 'type nodes/', 'type observe/', 'type server-tools.ts'],
  'server-tools.ts': ['world.ts', 'type *'],
  'doors.ts': ['*'],
  'main.ts': ['*'],
  'config.ts': ['*'],
  'index.ts': ['*'],
}

/** Calls and words with a better one. Exceptions are paths from a package's src. */
const banned: readonly Banned[] = [
  { pattern: /\bDate\.now\(|\bnew Date\(\s*\)/, instead: 'clock.now()', except: ['world.ts'] },
  { pattern: /\bperformance\.now\(/, instead: 'clock.monotonic()', except: ['world.ts'] },
  { pattern: /\bset(Timeout|Interval)\(/, instead: 'clock.after() or clock.every()', except: ['world.ts'] },
  { pattern: /\bsetImmediate\(/, instead: 'clock.soon()', except: ['world.ts'] },
  {
    pattern: /\b(Math\.random|randomBytes|randomUUID|randomInt|getRandomValues)\(/,
    instead: 'random',
    except: ['world.ts'],
  },
  { pattern: /\b(TODO|FIXME|XXX)\b(?!\([^)]+\):)/, instead: 'TODO(reason):', except: [], in: 'comments' },
  { pattern: /\bconsole\./, instead: 'the logger of observe/', except: ['cli/', 'main.ts', 'nitka.ts'] },
  { pattern: /\bprocess\.exit\(/, instead: 'an error up to main.ts', except: ['cli/', 'main.ts'] },
  { pattern: /(?::|<|,|\||&|\bas|=)\s*any\b(?!\s*[(:.=])/, instead: 'unknown, parsed once', except: [] },
]

const fileLinesMax = 400
const functionLinesMax = 70

/** Longer functions that exist: `file#name` → lines. It only shrinks: no new rows, and a shorter one lowers its row. */
const longFunctionsKnown: Readonly<Record<string, number>> = {}

/** Exported names that nothing uses yet, as `file#name`, each with who will. */
const unusedExportsKnown: Readonly<Record<string, string>> = {}

/** Exported names that only the checks below take. */
const takenHere = ['packages/server/src/options.ts#options']

const bannedFileNames = /(^|[-.])(utils?|helpers?|lib|common|manager|base)($|[-.])|^types$/

/** What of the workplace must not get into the repository. Written in two parts, so that this file does not match. */
const machineTexts = [
  ['work folder', `(?<![\\w.}>*-])/${'work'}/`],
  ['temporary folder of a shell', `/tmp/${'bash'}`],
  ['home folder', `(?<![\\w.])/(${'ro'}ot|${'ho'}me/(?!node\\b)\\w+|${'Us'}ers/\\w+)/`],
  [
    'registry host',
    `${'registry'}\\.(npmjs|yarnpkg|npmmirror)|${'npm'}\\.pkg\\.github|${'arti'}factory|\\.${'jf'}rog\\.`,
  ],
  ['address of a package', `"${'resolved'}": "https?:`],
].map(([what, pattern]) => ({ what, pattern: new RegExp(pattern ?? '', 'g') }))

const serverFolder = 'packages/server/src/'
const serverCode = sources((path) => path.startsWith(serverFolder) && !path.endsWith('.test.ts'))
const protocolCode = sources((path) => path.startsWith('packages/protocol/src/') && !path.endsWith('.test.ts'))
const clientCode = sources((path) => path.startsWith('packages/client/src/') && !path.endsWith('.test.ts'))
const exampleCode = sources((path) => path.startsWith('examples/') && !path.endsWith('.test.ts'))
const packageCode = sources((path) => /^packages\/[^/]+\/src\//.test(path) && !path.endsWith('.test.ts'))
const everyCode = sources((path) => /^(packages|scripts|bench|examples)\//.test(path))
const documents = repositoryFiles.filter((path) => path.endsWith('.md'))

function none(wrong: readonly string[]): void {
  if (wrong.length > 0) assert.fail(`${wrong.length} found:\n${[...wrong].sort().join('\n')}`)
}

test('the scanner of these checks sees code without comments, texts and patterns', () => {
  const text = ["a('b') // c\nd = `e$", '{f({ g })}h` /* i */ + /j"/.test(k) / l'].join('')
  const { code, comments } = separate(text)
  assert.equal(code.replaceAll(/\s+/g, ' '), "a(' ') d = ` {f({ g })} ` + / /.test(k) / l")
  assert.deepEqual(comments.match(/\w/g), ['c', 'i'])
  assert.equal(code.length, text.length)
})

test('imports in the server point only where the table of arrows allows', () => {
  none(wrongArrows(serverCode, serverFolder, arrows))
})

test('the protocol package imports nothing but itself, and a schema library only in schemas', () => {
  const wrong: string[] = []
  for (const { path, imports } of protocolCode) {
    const schemas = path.startsWith('packages/protocol/src/schemas/')
    for (const { from, file, line } of imports) {
      const allowed = file?.startsWith('packages/protocol/src/') || (schemas && /^typebox($|\/)/.test(from))
      if (!allowed) wrong.push(`${path}:${line} imports ${from} → a file of the protocol, or typebox in schemas/`)
    }
  }
  none(wrong)
})

test('the client imports nothing but itself, plain values of the protocol, and Node only for TCP', () => {
  const wrong: string[] = []
  for (const { path, imports } of clientCode) {
    const tcp = path === 'packages/client/src/tcp.ts'
    for (const { from, file, line } of imports) {
      if (file?.startsWith('packages/client/src/') || from === '@nitka/protocol') continue
      if (!(tcp && from.startsWith('node:'))) wrong.push(`${path}:${line} imports ${from} → a file of the client`)
    }
  }
  none(wrong)
})

test('an example imports what a program of its reader could', () => {
  const wrong: string[] = []
  for (const { path, imports } of exampleCode) {
    const [folder] = /^examples\/[^/]+\//.exec(path) ?? ['']
    for (const { from, file, line } of imports) {
      if (file?.startsWith(folder) || /^(node:.*|nitka|nitka\/testing|@nitka\/client|@nitka\/client\/tcp)$/.test(from))
        continue
      if (!(folder === 'examples/fastify/' && from === 'fastify'))
        wrong.push(`${path}:${line} imports ${from} → nitka, @nitka/client, Node, its own folder`)
    }
  }
  none(wrong)
})

test('every example has a README, a test that runs it, and a row in the index', () => {
  const index = read('examples/README.md')
  const names = new Set(repositoryFiles.flatMap((path) => /^examples\/([^/]+)\//.exec(path)?.[1] ?? []))
  names.delete('testing')
  assert.ok(names.size > 0)
  const wrong: string[] = []
  for (const name of names) {
    const readme = `examples/${name}/README.md`
    if (!exists(readme)) wrong.push(`${readme}:1 does not exist → what, one command, what one sees`)
    if (!index.includes(`(${name}/README.md)`)) wrong.push(`examples/README.md:1 has no row for ${name} → add it`)
    const tested = repositoryFiles.some((path) => path.startsWith(`examples/${name}/`) && path.endsWith('.test.ts'))
    if (!tested) wrong.push(`examples/${name}:1 is run by no test → add a .test.ts`)
  }
  none(wrong)
})

test('whoever loads the protocol loads no schema library', () => {
  const loaded = [...loadedBy('packages/protocol/src/index.ts', protocolCode)]
  assert.ok(loaded.length > 1, 'packages/protocol/src/index.ts does not exist or loads nothing')
  const wrong = loaded.filter((path) => path.includes('/schemas/'))
  none(wrong.map((path) => `${path}:1 is loaded by packages/protocol/src/index.ts → only by @nitka/protocol/schemas`))
})

test('no imports run in a circle', () => {
  none(circles(packageCode))
})

test('no file is longer than 400 lines', () => {
  const long = everyCode.filter(({ text }) => lineAt(text, text.length - 1) > fileLinesMax)
  none(long.map(({ path, text }) => `${path}:1 ${lineAt(text, text.length - 1)} lines → at most ${fileLinesMax}`))
})

test('no function grows over 70 lines', () => {
  const wrong: string[] = []
  const stale = new Set(Object.keys(longFunctionsKnown))
  for (const file of everyCode.filter(({ path }) => !isTest(path))) {
    for (const { name, line, lines } of longFunctions(file, functionLinesMax)) {
      const key = `${file.path}#${name}`
      const known = longFunctionsKnown[key]
      stale.delete(key)
      if (known === lines) continue
      const instead = known === undefined ? functionLinesMax : known
      if (lines > instead) wrong.push(`${file.path}:${line} ${name} has ${lines} lines → at most ${instead}`)
      else wrong.push(`${file.path}:${line} ${name} has ${lines} lines → lower its row in longFunctionsKnown`)
    }
  }
  none([...wrong, ...[...stale].map((key) => `scripts/tidy.test.ts:1 ${key} is short now → remove its row`)])
})

test('time, chance, output and exits go through the rooms that own them, and nothing is typed any', () => {
  none(bannedWords(packageCode, banned))
})

test('every exported name is used by another file', () => {
  const unused = unusedExports(packageCode, everyCode)
  for (const key of takenHere) unused.delete(key)
  const wrong = [...unused].filter(([key]) => unusedExportsKnown[key] === undefined)
  const stale = Object.keys(unusedExportsKnown).filter((key) => !unused.has(key))
  none([
    ...wrong.map(([, what]) => `${what} → remove it, or its export`),
    ...stale.map((key) => `scripts/tidy.test.ts:1 ${key} is used now or gone → remove its row`),
  ])
})

test('everything that the packages export has a docstring, for the reference of `npm run docs:api`', () => {
  none([...new Set(Object.values(entries).flatMap((path) => undocumentedExports(path)))])
})

test('no file or folder has a name that says nothing', () => {
  const wrong = everyCode.filter(({ path }) =>
    path.split('/').some((part) => bannedFileNames.test(part.replace(/(\.test)?\.\w+$/, ''))),
  )
  none(wrong.map(({ path }) => `${path}:1 says nothing → a noun of the design`))
})

test('every path that the walks name exists', () => {
  none(missingWalkPaths('docs/walks.md'))
})

test('every relative link in a document leads somewhere', () => {
  none(documents.flatMap(brokenLinks))
})

test('the reference documents every error and close code, and no other', async () => {
  const [errorsFile, closeFile] = ['packages/protocol/src/errors.ts', 'packages/protocol/src/close-codes.ts']
  const [errors, closeCodes] = [await exportedTable(errorsFile, 'errors'), await exportedTable(closeFile, 'closeCodes')]
  const page = 'docs/reference/errors.md'
  const names = [...Object.keys(errors), ...Object.keys(closeCodes)]
  none(differences(page, documentedNames(page), names, `${errorsFile} or ${closeFile}`))
})

test('the reference documents every option, and no other', async () => {
  const file = `${serverFolder}options.ts`
  const options = await exportedTable(file, 'options')
  const page = 'docs/reference/options.md'
  none(differences(page, documentedNames(page), Object.keys(options), file))
})

test('the reference documents every metric, and no other', () => {
  const page = 'docs/reference/metrics.md'
  const folder = `${serverFolder}observe/`
  const metrics = serverCode
    .filter(({ path }) => path.startsWith(folder))
    .flatMap(({ text }) => text.match(/\bnitka_\w+/g) ?? [])
  assert.ok(
    metrics.length > 0,
    `${folder} names no metric (nitka_…): it does not exist yet, or builds the names from parts`,
  )
  const text = read(page)
  const documented = new Map<string, number>()
  for (const match of text.matchAll(/\bnitka_\w+/g)) {
    const series = match[0].replace(/_(bucket|sum|count)$/, '')
    documented.set(metrics.includes(series) ? series : match[0], lineAt(text, match.index))
  }
  none(differences(page, documented, metrics, folder))
})

test('no file names a machine or a registry', () => {
  const wrong: string[] = []
  for (const path of repositoryFiles) {
    const text = readFileSync(join(root, path), 'utf8')
    if (text.includes('\0')) continue
    for (const { what, pattern } of machineTexts) {
      for (const match of text.matchAll(pattern)) {
        wrong.push(`${path}:${lineAt(text, match.index)} ${match[0]} is a ${what} → a relative path, or nothing`)
      }
    }
  }
  none(wrong)
})

test('what the scripts run is there', () => {
  const needed = [
    'packages/server/src/main.ts',
    'packages/server/bin/nitka.mjs',
    'scripts/start.mjs',
    'scripts/test.mjs',
  ]
  none(
    needed.filter((path) => !exists(path)).map((path) => `${path}:1 does not exist → npm start and npx nitka need it`),
  )
})
