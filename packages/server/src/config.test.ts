import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../testing/server.ts'
import { configure, configureProcess } from './config.ts'
import { withDotEnv } from './dot-env.ts'
import { environmentName, flagName, type OptionName, options } from './options.ts'

function faultsOf(body: () => unknown): string[] {
  try {
    body()
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'invalid')
    return (error as Error).message.split('; ').reduce<string[]>((faults, part) => {
      if (part.startsWith('did you mean')) faults.push(`${faults.pop()}; ${part}`)
      else faults.push(part)
      return faults
    }, [])
  }
  return []
}

test('without a word every option has its default, and nothing can change it later', () => {
  const config = configure()
  for (const [name, { default: value }] of Object.entries(options)) assert.deepEqual(config[name as OptionName], value)
  assert.equal(Object.isFrozen(config), true)
})

test('every default passes its own check, from code, from the environment and as a flag', () => {
  for (const name of Object.keys(options) as OptionName[]) {
    const value = options[name].default
    assert.deepEqual(configure({ [name]: value })[name], value, name)
    const text = String(value)
    assert.deepEqual(configureProcess({}, { [environmentName(name)]: text })[name], value, name)
    assert.deepEqual(configureProcess({ [flagName(name)]: text }, {})[name], value, name)
  }
})

test('names of flags and of the environment are those of the option, and no two are alike', () => {
  assert.deepEqual([environmentName('pulseMs'), flagName('pulseMs')], ['NITKA_PULSE_MS', 'pulse-ms'])
  const names = Object.keys(options) as OptionName[]
  assert.equal(new Set(names.map(environmentName)).size, names.length)
  assert.equal(new Set(names.map(flagName)).size, names.length)
})

test('a flag wins over the environment', () => {
  assert.equal(configureProcess({ port: '2' }, { NITKA_PORT: '1' }).port, 2)
  assert.equal(configureProcess({}, { NITKA_PORT: '1', PORT: '3', OTHER: 'x' }).port, 1)
})

test('numbers are whole numbers within their range', () => {
  for (const good of ['0', '65535', 0, 65_535, ' 80 ']) {
    assert.equal(configureProcess({ port: good }, {}).port, Number(good))
  }
  for (const bad of [
    '',
    ' ',
    '-1',
    '65536',
    '80.5',
    'eighty',
    'NaN',
    'Infinity',
    '1e99',
    true,
    Number.NaN,
    {},
    '80x',
  ]) {
    const faults = faultsOf(() => configureProcess({ port: bad }, {}))
    assert.deepEqual(faults, [`--port must be an integer from 0 to 65535, not ${JSON.stringify(bad)}`])
  }
})

test('a switch is on or off, and an empty value is neither', () => {
  for (const on of [true, 'true', '1']) assert.equal(configureProcess({ 'allow-open': on }, {}).allowOpen, true)
  for (const off of [false, 'false', '0']) assert.equal(configureProcess({ 'allow-open': off }, {}).allowOpen, false)
  for (const neither of ['', 'yes', 'TRUE', 'off', ' ']) {
    const faults = faultsOf(() => configureProcess({}, { NITKA_ALLOW_OPEN: neither }))
    assert.deepEqual(faults, [`NITKA_ALLOW_OPEN must be true or false, not ${JSON.stringify(neither)}`])
  }
})

test('a list is given as an array or with commas, and blanks around its items do not count', () => {
  const expected = ['https://a.example', 'https://b.example']
  assert.deepEqual(configure({ origins: expected }).origins, expected)
  assert.deepEqual(configureProcess({ origins: ' https://a.example ,, https://b.example,' }, {}).origins, expected)
  assert.deepEqual(configureProcess({}, { NITKA_ORIGINS: '' }).origins, [])
})

test('a choice is one of what there is', () => {
  assert.equal(configure({ durability: 'relaxed' }).durability, 'relaxed')
  assert.deepEqual(
    faultsOf(() => configure({ durability: 'Disk' })),
    ['durability must be one of disk, relaxed, not "Disk"'],
  )
})

test('an unknown option names the nearest there is, wherever it comes from', () => {
  assert.deepEqual(
    faultsOf(() => configure({ prot: 1 } as object)),
    ['prot is not an option; did you mean port?'],
  )
  assert.deepEqual(
    faultsOf(() => configureProcess({ 'puls-ms': '1' }, {})),
    ['--puls-ms is not an option; did you mean --pulse-ms?'],
  )
  assert.deepEqual(
    faultsOf(() => configureProcess({}, { NITKA_PROT: '1' })),
    ['NITKA_PROT is not an option; did you mean NITKA_PORT?'],
  )
  assert.deepEqual(
    faultsOf(() => configureProcess({ zzzzzzzzzz: '1' }, {})),
    ['--zzzzzzzzzz is not an option'],
  )
  for (const name of ['__proto__', 'constructor', 'toString']) {
    assert.equal(faultsOf(() => configure(JSON.parse(`{"${name}":1}`))).length, 1, name)
  }
})

test('everything that is wrong is told at once', () => {
  const faults = faultsOf(() =>
    configureProcess(
      { port: 'x', colour: 'red', 'allow-open': 'maybe' },
      { NITKA_RATE: '-1', NITKA_SHAPE: '1', NITKA_LOG_LEVEL: 'loud', NITKA_PULSE_MS: '5' },
    ),
  )
  const named = ['--port', '--colour', '--allow-open', 'NITKA_RATE', 'NITKA_SHAPE', 'NITKA_LOG_LEVEL']
  assert.equal(faults.length, named.length, faults.join('\n'))
  for (const name of named)
    assert.ok(
      faults.some((fault) => fault.startsWith(name)),
      name,
    )
})

test('.env adds what the environment does not say, in any of the ways that people write it', async (t) => {
  const path = join(await temporaryFolder(t), '.env')
  const lines = [
    '\uFEFFNITKA_PORT=1',
    '# NITKA_HOST=commented',
    '',
    '  NITKA_RATE = 2  ',
    'export NITKA_BURST=3',
    'NITKA_DATA="a b"',
    "NITKA_WEBHOOK_SECRET='x=y#z'",
    'NITKA_ORIGINS=https://a.example,https://b.example',
    'NITKA_PONG_MS=',
    'SOCKET_PORT=41970 # as before',
    'NITKA_EXECUTORS="a # b.mjs" # by hand',
    'NITKA_GENERATE="{"rate":2}"',
    'NITKA_AUTH_SECRET=a#b',
    'not a line',
  ]
  await writeFile(path, lines.join('\r\n'))
  assert.deepEqual(withDotEnv({ NITKA_RATE: '9', HOME: '/' }, path), {
    NITKA_PORT: '1',
    NITKA_RATE: '9',
    NITKA_BURST: '3',
    NITKA_DATA: 'a b',
    NITKA_WEBHOOK_SECRET: 'x=y#z',
    NITKA_ORIGINS: 'https://a.example,https://b.example',
    NITKA_PONG_MS: '',
    SOCKET_PORT: '41970',
    NITKA_EXECUTORS: 'a # b.mjs',
    NITKA_GENERATE: '{"rate":2}',
    NITKA_AUTH_SECRET: 'a#b',
    HOME: '/',
  })
  assert.deepEqual(withDotEnv({ A: '1' }, join(path, 'missing')), { A: '1' })
})

test('a file of options is under everything else, and what is wrong in it is told with its name', async (t) => {
  const path = join(await temporaryFolder(t), 'nitka.json')
  writeFileSync(path, JSON.stringify({ port: 9_000, pulseMs: 5, origins: ['https://a.example'], allowOpen: true }))
  const config = configureProcess({ config: path }, { NITKA_PORT: '9001' })
  assert.deepEqual(
    [config.port, config.pulseMs, config.origins, config.allowOpen],
    [9_001, 5, ['https://a.example'], true],
  )
  assert.equal(configureProcess({}, { NITKA_CONFIG: path }).port, 9_000)
  writeFileSync(path, JSON.stringify({ prt: 1, pulseMs: 'x' }))
  assert.throws(
    () => configureProcess({ config: path }, {}),
    /prt in .* is not an option; did you mean port\?.*pulseMs in .* must be an integer/,
  )
  writeFileSync(path, '[]')
  assert.throws(() => configureProcess({ config: path }, {}), /must hold a JSON object/)
  assert.throws(() => configureProcess({ config: `${path}.none` }, {}), /cannot be read/)
})
