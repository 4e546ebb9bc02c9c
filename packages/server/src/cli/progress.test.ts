import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { SimulatedClock } from '../../testing/clock.ts'
import { Progress } from './progress.ts'

function stream(isTTY: boolean) {
  const written: string[] = []
  const into = new Writable({
    write(piece, _encoding, done) {
      written.push(String(piece))
      done()
    },
  })
  return { written, into: Object.assign(into, { isTTY }) as unknown as NodeJS.WriteStream }
}

test('short work says nothing; long work says a line now and then where nobody looks', () => {
  const clock = new SimulatedClock()
  const { written, into } = stream(false)
  const progress = new Progress('importing', 200, clock, into)
  for (let done = 0; done < 100; done++) {
    progress.at(done, `${done} records`)
    clock.advance(50)
  }
  progress.at(150, '150 records')
  assert.deepEqual(written, [])
  clock.advance(6_000)
  progress.at(150, '150 records')
  progress.at(151, '151 records')
  progress.end()
  assert.deepEqual(written, ['nitka: importing 75 %, 150 records\n'])
})

test('at a terminal there is a bar, drawn seldom, and taken away at the end', () => {
  const clock = new SimulatedClock()
  const { written, into } = stream(true)
  const progress = new Progress('exporting', 4, clock, into)
  for (let done = 0; done <= 5; done++) {
    progress.at(done, `${done} records`)
    clock.advance(60)
  }
  progress.end()
  progress.end()
  assert.ok(written[0]!.startsWith('\r\u001b[2K'))
  const plain = written.map(stripVTControlCharacters)
  assert.equal(plain.length, 3)
  assert.match(plain[0]!, /^\rexporting █{12}░{12} 50 % {2}2 records$/)
  assert.match(plain[1]!, / 100 % {2}4 records$/)
  assert.equal(written[2], '\r\u001b[2K')
})
