// The examples as their reader runs them: processes of their own.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'

export interface Program {
  /** Everything printed so far. */
  output(): string
  /** Resolves with the match when what was printed matches. Fails when the program ends before, or after a minute. */
  says(pattern: RegExp): Promise<RegExpExecArray>
  /** Resolves with the exit code, null after a signal. */
  readonly ended: Promise<number | null>
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>
}

export interface RunOptions {
  /** Default: the Node of this process. */
  readonly program?: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const patienceMs = 60_000

/** Runs a file, a path from this folder's parent. Killed with the test. */
export function run(t: TestContext, file: string, options: RunOptions = {}): Program {
  const { program = process.execPath, args = [], env = {} } = options
  const path = new URL(`../${file}`, import.meta.url).pathname
  const child = spawn(program, [path, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, FORCE_COLOR: undefined, ...env },
  })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  let look = (): void => {}
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      look()
    })
  }
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const says = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`${file} ${why}, having printed: ${output}`))
      const patience = setTimeout(fail, patienceMs, `said no ${pattern}`)
      const done = (): void => clearTimeout(patience)
      look = () => {
        const found = pattern.exec(output)
        if (found === null) return
        done()
        resolve(found)
      }
      look()
      void ended.then((code) => {
        done()
        fail(`ended with ${code}`)
      })
    })
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  return { output: () => output, says, ended, kill }
}

/** Runs a file to its end. @throws when it does not end with 0 */
export async function runToEnd(t: TestContext, file: string, options: RunOptions = {}): Promise<string> {
  const program = run(t, file, options)
  const patience = setTimeout(() => void program.kill(), patienceMs)
  const code = await program.ended
  clearTimeout(patience)
  if (code !== 0) throw new Error(`${file} ended with ${code}, having printed: ${program.output()}`)
  return program.output()
}
