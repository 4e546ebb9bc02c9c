// Queues of others, each as a process of its own in a folder of its own: Redis for BullMQ, and beanstalkd.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Peer = 'redis' | 'beanstalkd' | 'nats'

export interface RunningPeer {
  readonly port: number
  stop(): Promise<void>
}

const pinned = spawnSync('taskset', ['-c', '0', 'true']).status === 0

/** Whether the program is installed. */
export function installed(peer: Peer): boolean {
  const programs = {
    redis: ['redis-server', '--version'],
    beanstalkd: ['beanstalkd', '-v'],
    nats: ['nats-server', '-v'],
  }
  const [program = '', flag = ''] = programs[peer]
  return spawnSync(program, [flag]).status === 0
}

/** @param durable every change is on disk before it is confirmed; otherwise nothing is on disk */
export async function startPeer(peer: Peer, durable: boolean): Promise<RunningPeer> {
  const folder = mkdtempSync(join(tmpdir(), 'nitka-peer-'))
  const port = await freePort()
  const redis = ['redis-server', '--port', `${port}`, '--dir', folder, '--save', '', '--loglevel', 'warning']
  const [program = '', ...args] = {
    redis: [...redis, ...(durable ? ['--appendonly', 'yes', '--appendfsync', 'always'] : [])],
    nats: ['nats-server', '-a', '127.0.0.1', '-p', `${port}`],
    beanstalkd: ['beanstalkd', '-l', '127.0.0.1', '-p', `${port}`, ...(durable ? ['-b', folder, '-f', '0'] : [])],
  }[peer]
  const child: ChildProcess = pinned
    ? spawn('taskset', ['-c', '0', program, ...args], { stdio: 'ignore' })
    : spawn(program, args, { stdio: 'ignore' })
  // A void run ends this process without a stop.
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  await listens(port)
  return {
    port,
    stop: async () => {
      const exited = once(child, 'exit')
      kill()
      await exited
      process.removeListener('exit', kill)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return address.port
}

async function listens(port: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const socket = connect(port, '127.0.0.1')
    const up = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    if (up) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('the peer did not listen')
}
