// Damaged disks: copies of a sound store with one bit flipped or the end of a file cut off. Whatever such a store serves must
// be true; what it cannot serve it must refuse or report. A silent difference fails.

import assert from 'node:assert/strict'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { storeFolder } from '../testing/store-folder.ts'
import { copyStore, judge, makeStore, seeded, storeFiles, type Truth, type Verdict } from '../testing/store-image.ts'

const all = /\.(log|ldb)$|^MANIFEST|^CURRENT$/

const shapes = [
  { shape: 'its data in the log', rounds: 60, writeBufferBytes: 4 * 1024 * 1024, compacted: false },
  { shape: 'its data in tables', rounds: 300, writeBufferBytes: 65_536, compacted: true },
]

interface Image {
  readonly from: string
  readonly to: string
  readonly truth: Truth
}

async function image(t: TestContext, shape: (typeof shapes)[number]): Promise<Image> {
  const from = storeFolder(t)
  const truth = await makeStore(from, shape.rounds, shape.writeBufferBytes)
  assert.equal(storeFiles(from, /\.ldb$/).length > 0, shape.compacted)
  const to = storeFolder(t)
  copyStore(from, to)
  assert.equal(await judge(to, truth, 'a sound copy'), 'true')
  return { from, to, truth }
}

function tally(verdicts: readonly Verdict[]): Record<Verdict, number> {
  const count = { true: 0, refused: 0, told: 0 }
  for (const verdict of verdicts) count[verdict] += 1
  return count
}

for (const shape of shapes) {
  test(`a flipped bit is never a silent difference: ${shape.shape}`, async (t) => {
    const { from, to, truth } = await image(t, shape)
    const random = seeded(Number(process.env.NITKA_SEED ?? 7))
    const files = storeFiles(from, all)
    const verdicts: Verdict[] = []
    for (let i = 0; i < Number(process.env.NITKA_FLIPS ?? 100); i++) {
      const file = files[i % files.length] ?? ''
      copyStore(from, to)
      const bytes = readFileSync(join(to, file))
      if (bytes.length === 0) continue
      const at = Math.floor(random() * bytes.length)
      const bit = Math.floor(random() * 8)
      bytes.writeUInt8((bytes[at] ?? 0) ^ (1 << bit), at)
      writeFileSync(join(to, file), bytes)
      verdicts.push(await judge(to, truth, `bit ${bit} of byte ${at} of ${file}`))
    }
    const count = tally(verdicts)
    t.diagnostic(JSON.stringify(count))
    assert.ok(count.refused + count.told > verdicts.length / 4, 'damage was found')
  })

  test(`a file cut short is never a silent difference: ${shape.shape}`, async (t) => {
    const { from, to, truth } = await image(t, shape)
    const random = seeded(11)
    const files = storeFiles(from, all)
    const verdicts: Verdict[] = []
    for (let i = 0; i < 30; i++) {
      const file = files[i % files.length] ?? ''
      copyStore(from, to)
      const size = readFileSync(join(to, file)).length
      const kept = i < files.length ? Math.max(0, size - 1) : Math.floor(random() * size)
      truncateSync(join(to, file), kept)
      verdicts.push(await judge(to, truth, `${file} cut to ${kept} of ${size} bytes`))
    }
    const count = tally(verdicts)
    t.diagnostic(JSON.stringify(count))
    assert.ok(count.refused > verdicts.length / 2, 'the cut was found')
  })
}
