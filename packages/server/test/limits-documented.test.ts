// The table of limits says what the options say.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type OptionName, options } from '../src/options.ts'

const text = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8')
const [, section = ''] = /\n## Limits\n([\s\S]*?)\n## /.exec(text) ?? []
const rows = section
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| ---') && !line.startsWith('| of '))
  .map((line) => line.split('|').map((cell) => cell.trim()))

/** How a number may be written. */
function ways(value: number): string[] {
  const units = Object.entries({ KiB: 2 ** 10, MiB: 2 ** 20, s: 1_000, min: 60_000, hour: 3_600_000, h: 3_600_000 })
  return [
    value.toLocaleString('en-US'),
    ...units.filter(([, size]) => value % size === 0).map(([unit, size]) => `${value / size} ${unit}`),
  ]
}

test('each limit that is an option is documented with its default', () => {
  assert.ok(rows.length > 30)
  for (const [, , most = '', names = ''] of rows) {
    const numbers = most.split(/; | to /)
    for (const [i, [, name = '']] of [...names.matchAll(/`(\w+)`/g)].entries()) {
      assert.ok(Object.hasOwn(options, name), `${name} is an option`)
      const { default: value } = options[name as OptionName]
      assert.ok(ways(value as number).includes(numbers[i] ?? ''), `${name} is ${value}, not ${numbers[i]}`)
    }
  }
})

test('each option that bounds what clients have is in the table of limits', () => {
  const named = new Set([...section.matchAll(/`(\w+)`/g)].map(([, name]) => name))
  const bounds =
    /^(connections|unauthenticated|handshake|failed|rate|burst|user|joins|unanswered|socket(Rate|Bytes|Unanswered)|rooms|members|.*Per[A-Z]|pools$|pool[MB]|outbox|reply|task|queueT|requests|requestT)/
  const missing = Object.keys(options).filter((name) => bounds.test(name) && !named.has(name))
  assert.deepEqual(missing, [])
})
