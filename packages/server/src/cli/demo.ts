// nitka demo: the server with a page to try it on, an open room in which two users chat, a cinema whose seats can be held,
// tasks that it generates itself, and workers that die of some of them.

import { NitkaError } from '@nitka/protocol'
import type { Server } from '../server.ts'
import { realClock, realWorld } from '../world.ts'
import { openCinema, visitCinema } from './demo-cinema.ts'
import { readFlags } from './flags.ts'
import { run } from './run.ts'
import { type Death, Supervisor } from './supervisor.ts'
import { usage } from './usage.ts'

const room = 'lobby'
const lines: readonly (readonly [string, string])[] = [
  ['ola', 'Hi! This is the lobby: an open room. Everything said here is on disk before it is shown.'],
  ['ben', 'Open this page in a second tab and write as somebody else.'],
  ['ola', 'Close a tab, write a direct message to its user, open it again: the message waits.'],
  ['ben', 'Stop the server and start it again. We will still have said all this.'],
]
const answer =
  'Thank you! Your message was on disk before you heard that it was sent, and so was this answer. ' +
  'Now write to somebody who is not here: it waits.'
const pauseMs = 20_000
/** Of the pauses, once everything was said: ola tells how the tasks are doing in each third of them. */
const newsEvery = 3
const workers = 3
const tasks = { queue: 'default', rate: 2, backlog: 20 }
/** Deaths of workers are part of the demo, so they are summed up, at most this often. */
const deathsMs = 60_000

export async function demo(args: readonly string[]): Promise<number> {
  const asked = usage(() => readFlags(args))
  if (asked === undefined) return 2
  const { config, named } = asked
  const page = new URL('../../demo/', import.meta.url)
  const generate = named('generate') ? config.generate : JSON.stringify(tasks)
  return run({ ...config, generate }, { page }, async (server) => {
    await openLobby(server)
    await openCinema(server)
    answerDirect(server)
    // The first two were said when the lobby was made.
    let next = 2
    const timer = realClock.every(pauseMs, () => {
      if (server.draining) return timer.cancel()
      if (server.rooms.presence.list(room).length === 0) return
      const turn = next++
      void visitCinema(server, turn).catch(ignore)
      const [user, text] = lines[turn] ?? ['ola', '']
      if (text !== '') void server.rooms.send(user, room, text).catch(ignore)
      else if ((turn - lines.length) % newsEvery === 0) void tellNews(server).catch(ignore)
    })
    const supervisor = startWorkers(server.url)
    console.log(`nitka listens at ${server.url}\nOpen it in two browser tabs and chat. Ctrl-C ends it.`)
    return supervisor
  })
}

/** Ola answers, so that one tab is enough to see a direct message and what comes back. */
function answerDirect(server: Server): void {
  server.on('message', (message) => {
    if (message.kind !== 'direct' || message.to !== 'ola' || message.from === 'ola') return
    void server.direct.sendUser({ fromUser: 'ola', toUser: message.from, message: answer }).catch(ignore)
  })
}

async function tellNews(server: Server): Promise<void> {
  const { done = 0, dead = 0 } = server.tasks.queues().find(({ queue }) => queue === tasks.queue) ?? {}
  const text = `Below, ${done} tasks are done by now, and ${dead} are dead letters after three attempts. Press Retry on one.`
  await server.rooms.send('ola', room, text)
}

function startWorkers(url: string): Supervisor {
  const main = new URL('../main.ts', import.meta.url).pathname
  const args = [main, 'work', '--url', url, '--supervised']
  return new Supervisor({ count: workers, args, died: deathLines() }, realWorld())
}

/** One line for the first death, then one for all of a minute. A worker that did not die of its work says why at once. */
function deathLines(): (death: Death) => void {
  let [deaths, saidAt] = [0, Number.NEGATIVE_INFINITY]
  return ({ number, code, signal, lastWords }) => {
    deaths++
    if (realClock.monotonic() - saidAt < deathsMs) return
    saidAt = realClock.monotonic()
    const how = signal ?? `code ${code}`
    const last = lastWords.trimEnd().split('\n').at(-1) ?? ''
    const why = /Period \d+ is over \d+/.exec(last)?.[0] ?? last
    console.log(
      deaths === 1
        ? `worker ${number} ended (${how}: ${why}) and is started again, as it should be`
        : `${deaths} workers ended so far and were started again, the last one: ${how}, ${why}`,
    )
  }
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
