import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { folder, referencePages } from './reference.ts'

for (const [name, content] of Object.entries(referencePages())) {
  test(`docs/reference/${name} is what the code says; \`npm run docs\` writes it`, () => {
    assert.equal(readFileSync(new URL(name, folder), 'utf8'), content)
  })
}
