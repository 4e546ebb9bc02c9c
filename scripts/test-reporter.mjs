// What a test file tells `scripts/test.mjs`: a line of JSON an event, on descriptor 3. Written synchronously, so that a
// process that dies has said everything that it knew.

import { writeSync } from 'node:fs'
import { inspect } from 'node:util'

const totals = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/

/** @param {AsyncIterable<import('node:test/reporters').TestEvent>} source */
export default async function* reporter(source) {
  const above = []
  for await (const { type, data } of source) {
    if (type === 'test:dequeue' || type === 'test:complete') {
      tell({ event: type === 'test:dequeue' ? 'began' : 'ended', name: data.name, line: data.line })
    } else if (type === 'test:start') {
      above.length = data.nesting
      above[data.nesting] = data.name
    } else if (type === 'test:pass' || type === 'test:fail') {
      const names = [...above.slice(0, data.nesting), data.name]
      tell({ ...verdict(type, data), name: names.join(' > '), suite: data.details.type === 'suite' })
    } else if (type === 'test:diagnostic' && !totals.test(data.message)) {
      tell({ event: 'note', text: data.message })
    } else if (type === 'test:summary') {
      tell({ event: 'end' })
    }
  }
  yield ''
}

function verdict(type, data) {
  for (const event of ['skip', 'todo']) {
    const reason = data[event]
    if (reason !== undefined && reason !== false) {
      return { event: 'skipped', reason: typeof reason === 'string' ? reason : event }
    }
  }
  if (type === 'test:pass') return { event: 'passed' }
  const { error } = data.details
  const at = data.file === undefined ? '' : `${data.file}:${data.line}`
  return { event: 'failed', at, detail: detailOf(error.cause ?? error), why: error.failureType }
}

/** Everything that is known, less the frames of the test runner itself. */
function detailOf(cause) {
  if (typeof cause === 'string') return cause
  const told = cause instanceof Error && cause.operator === 'fail' ? cause.stack : inspect(cause, { depth: 6 })
  return told.replaceAll(/^ +at .*\(node:(internal\/(test_runner|per_context)|async_hooks).*\)\n?/gm, '').trimEnd()
}

function tell(event) {
  const bytes = Buffer.from(`${JSON.stringify(event)}\n`)
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(3, bytes, done)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
    }
  }
}
