// nitka demo: the server with a page to try it on, an open room, and two users who chat in it.

import { NitkaError } from '@nitka/protocol'
import type { Server } from '../server.ts'
import { realClock } from '../world.ts'
import { readFlags } from './flags.ts'
import { run } from './run.ts'

const room = 'lobby'
const lines: readonly (readonly [string, string])[] = [
  ['ola', 'Hi! This is the lobby: an open room. Everything said here is on disk before it is shown.'],
  ['ben', 'Open this page in a second tab and write as somebody else.'],
  ['ola', 'Close a tab, write a direct message to its user, open it again: the message waits.'],
  ['ben', 'Stop the server and start it again. We will still have said all this.'],
]
const pauseMs = 20_000

export async function demo(args: readonly string[]): Promise<number> {
  const { config } = readFlags(args)
  const page = new URL('../../demo/index.html', import.meta.url)
  return run(config, { page }, async (server) => {
    await openLobby(server)
    let next = 0
    const timer = realClock.every(pauseMs, () => {
      const [user, text] = lines[next++ % lines.length] ?? ['ola', '']
      if (server.draining) timer.cancel()
      else if (server.rooms.presence.list(room).length > 0) void server.rooms.send(user, room, text).catch(ignore)
    })
    console.log(`nitka listens at ${server.url}\nOpen it in two browser tabs and chat. Ctrl-C ends it.`)
  })
}

async function openLobby(server: Server): Promise<void> {
  try {
    await server.rooms.create('ola', { id: room, name: 'Lobby', open: true })
    await server.rooms.addMember('ben', room, 'ben')
    for (const [user, text] of lines.slice(0, 2)) await server.rooms.send(user, room, text)
  } catch (error) {
    if (!(error instanceof NitkaError && error.code === 'conflict')) throw error
  }
}

function ignore(): void {
  // A failing store ends the process by itself.
}
