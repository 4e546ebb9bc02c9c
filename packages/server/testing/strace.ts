// Programs under strace: what they ask of the operating system, call by call, and what happens when a call is made to fail.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'

/** Why nothing can be traced here; false when it can be. Without strace a gate fails: it installs it. */
export function straceMissing(): string | false {
  const { error, status, stderr } = spawnSync('strace', ['-f', '-o', '/dev/null', 'true'], { encoding: 'utf8' })
  if (error !== undefined) {
    if (process.env.CI) throw new Error('strace is not installed')
    return 'needs the program strace'
  }
  return status === 0 ? false : `tracing is not allowed here: ${stderr.trim().split('\n')[0]}`
}

/** A call of the operating system. Its lines of the trace are numbered through all threads. */
export interface SystemCall {
  readonly name: string
  /** As strace writes them: every text in hexadecimal. */
  readonly text: string
  /** Undefined: it never came back. */
  readonly result: number | undefined
  readonly begun: number
  /** Infinity: it never came back. */
  readonly ended: number
}

export interface TracedProcess {
  /** The lines of its standard output. */
  readonly lines: readonly string[]
  readonly errors: string
  readonly code: number | null
  /** strace ends by the signal that its program ended by. */
  readonly signal: string | null
}

/** Runs a script under strace with `options`. Ends with it. `cache`: where Node keeps what it compiled, for the next one. */
export async function runTraced(
  options: readonly string[],
  script: readonly string[],
  cache: string,
): Promise<TracedProcess> {
  // Few threads, so that a call that is counted by thread is about the same one each time.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '2', UV_USE_IO_URING: '0', NODE_COMPILE_CACHE: cache }
  const child = spawn('strace', ['-f', ...options, process.execPath, ...script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  })
  const closed = once(child, 'close')
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code, signal] = await closed
  return { lines: output.split('\n').filter((line) => line !== ''), errors, code, signal }
}

/** The calls in a trace that was written with `-f -xx` to `file`, in the order in which they began. */
export function readTrace(file: string): SystemCall[] {
  const calls: SystemCall[] = []
  const open = new Map<string, { name: string; text: string; at: number }>()
  for (const [at, line] of readFileSync(file, 'latin1').split('\n').entries()) {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/.exec(rest)
    const begun = /^(\w+)\((.*) <unfinished \.\.\.>$/.exec(rest)
    if (begun !== null) {
      open.set(thread, { name: begun[1] ?? '', text: begun[2] ?? '', at: calls.length })
      calls.push({ name: begun[1] ?? '', text: begun[2] ?? '', result: undefined, begun: at, ended: Infinity })
      continue
    }
    const early = resumed === null ? undefined : open.get(thread)
    const whole = early === undefined ? rest : `${early.name}(${early.text}${resumed?.[2]}`
    const done = /^(\w+)\((.*)\) += (-?\d+|\?)/.exec(whole)
    if (done === null) continue
    const result = done[3] === '?' ? undefined : Number(done[3])
    const ended = result === undefined ? Infinity : at
    const call = { name: done[1] ?? '', text: done[2] ?? '', result, begun: at, ended }
    if (early === undefined) calls.push(call)
    else calls[early.at] = { ...call, begun: calls[early.at]?.begun ?? at }
    open.delete(thread)
  }
  return calls
}

/** The texts among the arguments of a call. */
export function textsOf(call: SystemCall): Buffer[] {
  return [...call.text.matchAll(/"([^"]*)"/g)].map(([, hex = '']) => Buffer.from(hex.replaceAll('\\x', ''), 'hex'))
}
