// A server as a process of its own, to be killed.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { startPatience } from './eventually.ts'

export interface ServerProcess {
  readonly child: ChildProcess
  readonly url: string
  /** Standard error so far. */
  readonly errors: () => string
  /** Standard output so far. */
  readonly output: () => string
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>
  /** Resolves to the exit code when it ends. */
  readonly exited: Promise<number | null>
}

const main = new URL('../src/main.ts', import.meta.url).pathname

/** Starts `nitka serve` on a free port and waits until it takes traffic. Killed with the test. */
export async function startProcess(
  t: TestContext,
  data: string,
  flags: readonly string[] = [],
): Promise<ServerProcess> {
  const args = [
    main,
    'serve',
    ...(flags.includes('--port') ? [] : ['--port', '0']),
    '--data',
    data,
    '--reserve-bytes',
    '0',
    '--rate',
    '0',
    ...(flags.includes('--log-level') ? [] : ['--log-level', 'fatal']),
    ...flags,
  ]
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { SOCKET_PORT: '0', ...process.env },
  })
  t.after(() => child.kill('SIGKILL'))
  let errors = ''
  let output = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      const found = /listens at (\S+)/.exec(output)
      if (found?.[1] !== undefined) resolve(found[1])
    })
    exited.then((code) => reject(new Error(`ended with ${code} before it listened: ${errors}`)))
  })
  return {
    child,
    url,
    exited,
    output: () => output,
    errors: () => errors,
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

export interface ShellProcess {
  readonly shell: ChildProcess
  /** What the command wrote so far. */
  readonly said: () => string
}

/**
 * Starts `nitka` below a shell, as npm does. Killed with the test.
 * @param npmCommand what npm was called for; undefined: it was not npm
 */
export function startInShell(t: TestContext, args: readonly string[], npmCommand?: string): ShellProcess {
  const shell = spawn('sh', ['-c', `${[process.execPath, main, ...args].join(' ')}; exit`], {
    ...{ detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
    env: { ...process.env, SOCKET_PORT: '0', npm_command: npmCommand },
  })
  t.after(() => {
    try {
      process.kill(-(shell.pid ?? 0), 'SIGKILL')
    } catch {
      // All have ended.
    }
  })
  let said = ''
  for (const stream of [shell.stdout, shell.stderr]) stream?.on('data', (chunk) => (said += chunk))
  return { shell, said: () => said }
}

export interface CommandProcess {
  readonly child: ChildProcess
  /** Standard output so far. */
  readonly output: () => string
  /** Standard error so far. */
  readonly errors: () => string
  /** Writes to standard input. */
  write(text: string): void
  /** Resolves to the exit code when it ended and all was read. */
  readonly exited: Promise<number | null>
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>
}

/** Starts `nitka` with `args`, its standard input open. `terminal`: in a terminal, made by `script`. Killed with the test. */
export function startCommand(t: TestContext, args: readonly string[], terminal = false): CommandProcess {
  const env = { ...process.env, FORCE_COLOR: undefined, TERM: 'xterm' }
  const words = [process.execPath, main, ...args]
  const [file = '', ...rest] = terminal ? ['/usr/bin/script', '-qec', words.join(' '), '/dev/null'] : words
  const child = spawn(file, rest, { stdio: ['pipe', 'pipe', 'pipe'], env })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const exited = once(child, 'close').then(([code]) => code as number | null)
  return {
    child,
    output: () => output,
    errors: () => errors,
    write: (text) => void child.stdin.write(text),
    exited,
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

export interface Ended {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

/** Runs `nitka` with `args` to its end. Killed with the test. */
export async function runProcess(
  t: TestContext,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const env = { SOCKET_PORT: '0', ...process.env, FORCE_COLOR: undefined, ...environment }
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env })
  t.after(() => child.kill('SIGKILL'))
  // What does not end by itself is a server that should not have started.
  const patience = setTimeout(() => child.kill('SIGKILL'), startPatience)
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const [code] = await once(child, 'close')
  clearTimeout(patience)
  return { code, output, errors }
}
