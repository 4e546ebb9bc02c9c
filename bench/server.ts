// A server under test: a process of its own, on a core of its own where `taskset` is there, on a folder of its own.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Kind = 'nitka' | 'naive' | 'sqlite' | 'echo'

export interface Running {
  readonly url: URL
  /** Where requests are taken. */
  readonly tcp: URL
  stop(): Promise<void>
}

const pinned = spawnSync('taskset', ['-c', '0', 'true']).status === 0

const main = new URL('../packages/server/src/main.ts', import.meta.url).pathname
const limits = ['--rate', '0', '--connections-per-user', '0', '--unanswered', '256', '--members-per-room', '0']

function argumentsOf(kind: Kind, folder: string, flags: readonly string[]): string[] {
  if (kind === 'nitka') {
    return [
      main,
      'serve',
      '--port',
      '0',
      '--socket-port',
      '0',
      '--data',
      join(folder, 'data'),
      '--log-level',
      'fatal',
      '--reserve-bytes',
      '0',
      '--executors',
      new URL('servers/executors.ts', import.meta.url).pathname,
      ...limits,
      ...flags,
    ]
  }
  return [new URL(`servers/${kind}.ts`, import.meta.url).pathname, folder]
}

/**
 * Starts it and waits until it listens.
 * @param alone on a core of its own; several nodes of a cluster share all of them
 */
export async function startServer(kind: Kind, flags: readonly string[] = [], alone = true): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'nitka-bench-'))
  const args = argumentsOf(kind, folder, flags)
  const [program = '', ...rest] =
    pinned && alone ? ['taskset', '-c', '0', process.execPath, ...args] : [process.execPath, ...args]
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  const { url, tcp } = await listening(child)
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await once(child, 'exit')
    rmSync(folder, { recursive: true, force: true })
  }
  return { url, tcp, stop }
}

async function listening(child: ChildProcess): Promise<{ url: URL; tcp: URL }> {
  let text = ''
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk)
    const url = /listens at (\S+)/.exec(text)?.[1]
    const tcp = /over TCP at (\S+)/.exec(text)?.[1]
    if (url === undefined || (text.startsWith('nitka') && tcp === undefined)) continue
    return { url: new URL(url), tcp: new URL(tcp === undefined ? url : `tcp://${tcp}`) }
  }
  throw new Error(`the server ended before it listened: ${text}`)
}
