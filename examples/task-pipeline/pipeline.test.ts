import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runToEnd } from '../testing/program.ts'

test('what works is made once; what is broken dies after three attempts, is shown, repaired or dropped', async (t) => {
  const lines = (await runToEnd(t, 'task-pipeline/pipeline.ts')).trim().split('\n')
  for (const file of ['dog', 'bird', 'fish', 'broken-cat']) {
    assert.equal(lines.filter((line) => line === `made small-${file}.png`).length, 1, file)
  }
  for (const file of ['broken-cat', 'broken-virus']) {
    const at = lines.indexOf(`dead letter: ${file}.png`)
    assert.ok(at > 0, file)
    for (const attempt of [1, 2, 3]) {
      assert.match(lines[at + attempt] ?? '', new RegExp(`attempt ${attempt}: .*${file}\\.png is no picture`))
    }
  }
  assert.ok(lines.indexOf('made small-broken-cat.png') > lines.indexOf('dead letter: broken-cat.png'))
  assert.ok(lines.includes('dropped broken-virus.png'))
  assert.equal(lines.at(-1), '0 dead letters are left')
})
