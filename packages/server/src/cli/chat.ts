// nitka chat ROOM: a chat in a room, at a terminal; or lines from standard input into the room, and what is said there
// to standard output.

import { NitkaError as ClientError } from '@nitka/client'
import { NitkaError } from '@nitka/protocol'
import { realWorld } from '../world.ts'
import { readLines } from './archive/line-reader.ts'
import { type ChatWishes, Conversation } from './chat/conversation.ts'
import { type ChatEvent, hereAre, Wording } from './chat/events.ts'
import { Terminal } from './chat/terminal.ts'
import { type Command, readArguments, wrongUsage } from './command.ts'
import { printable, serverUrl } from './server-call.ts'
import { jsonLine } from './table.ts'
import { usage } from './usage.ts'

const world = realWorld()
const historyDefault = 20
const historyMax = 500
const lineBytesMax = 2 ** 20
/** How long somebody who leaves waits for what is not confirmed. */
const goodbyeMs = 2_000

const orders: Readonly<Record<string, string>> = {
  '/who': 'who is here',
  '/history': 'older messages; /history 50: so many',
  '/help': 'this list; //word sends /word',
  '/quit': 'ends it, as Ctrl-C and Ctrl-D do',
}

interface Asked extends ChatWishes {
  readonly history: number
  readonly json: boolean
}

export async function chat(args: readonly string[], command: Command): Promise<number> {
  const asked = usage(() => readWishes(args, command))
  if (asked === undefined) return 2
  // Whoever read the output is gone.
  process.stdout.on('error', () => process.exit(1))
  try {
    const person = process.stdin.isTTY && process.stdout.isTTY && !asked.json
    return person ? await atTerminal(asked) : await inPipe(asked)
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    console.error(`nitka: ${printable(error.message)}`)
    return 1
  }
}

/** @throws NitkaError `invalid` */
function readWishes(args: readonly string[], command: Command): Asked {
  const { config, rest, own, on } = readArguments(args, command.flags, 1)
  const [room] = rest
  if (room === undefined) throw wrongUsage(command)
  const { user, history = `${historyDefault}` } = own
  if (!/^\d{1,3}$/.test(history) || Number(history) > historyMax) {
    throw new NitkaError('invalid', `--history must be a whole number from 0 to ${historyMax}, not ${history}`)
  }
  const token = config.authToken === '' ? undefined : config.authToken
  if (user === undefined && token === undefined) {
    throw new NitkaError('invalid', 'say who you are: --user USER, or a token in NITKA_AUTH_TOKEN')
  }
  return {
    url: serverUrl(own.url, config),
    ...{ room, user, token, history: Number(history) },
    ...{ create: on.has('create'), json: on.has('json') },
  }
}

/** Resolves with the exit code. */
async function atTerminal(asked: Asked): Promise<number> {
  const ended = Promise.withResolvers<ClientError | undefined>()
  const talk = await Conversation.join(asked, world.random)
  const wording = new Wording(talk.user, process.stdout, world.clock.now())
  const terminal = new Terminal(
    { line: (text) => void obey(text).catch(failed), end: () => ended.resolve(undefined) },
    Object.keys(orders),
  )
  const show = (event: ChatEvent): void => {
    // One's own line stands there as it was typed.
    if (event.event !== 'message' || !talk.isOwn(event)) terminal.print(wording.linesOf(event))
  }
  const note = (text: string): void => terminal.print([wording.note(text)])
  const failed = (error: ClientError): void => note(error.message)
  const obey = async (text: string): Promise<void> => {
    const [order = '', count = `${historyDefault}`] = text.trim().split(/\s+/)
    if (order === '') return
    if (!order.startsWith('/')) return talk.send(text)
    if (order.startsWith('//')) return talk.send(text.trimStart().slice(1))
    if (order === '/quit') return ended.resolve(undefined)
    if (order === '/who') return note(hereAre(talk.present))
    if (order === '/history' && /^[1-9]\d{0,2}$/.test(count) && Number(count) <= historyMax) {
      if ((await talk.older(Number(count))) === 0) note('there is nothing older')
      return
    }
    if (order !== '/help') note(`${text.trim()} is not understood`)
    terminal.print(Object.entries(orders).map(([name, doc]) => wording.note(`${name.padEnd(9)} ${doc}`)))
  }
  void talk.over.then(ended.resolve)
  endOnSignals(() => ended.resolve(undefined))
  await talk.listen(asked.history, show)
  note('/help lists what can be done')
  const error = await ended.promise
  if (error !== undefined) note(error.message)
  terminal.close()
  if (error === undefined) await goodbye(talk)
  return finish(talk, error)
}

/** Lines go in, messages come out, until the input ends and everything is confirmed. Resolves with the exit code. */
async function inPipe(asked: Asked): Promise<number> {
  const talk = await Conversation.join(asked, world.random)
  const wording = new Wording(talk.user, process.stdout, world.clock.now())
  const stopped = new Promise<undefined>((resolve) => endOnSignals(() => resolve(undefined)))
  await talk.listen(asked.history, (event) => {
    if (asked.json) return console.log(jsonLine(event))
    const say = event.event === 'message' ? console.log : console.error
    for (const line of wording.linesOf(event)) say(line)
  })
  const all = async (): Promise<undefined> => {
    for await (const line of readLines(process.stdin, lineBytesMax)) {
      const text = line.toString().replace(/\r$/, '')
      if (text.trim() !== '') await talk.send(text)
    }
    await talk.settled()
  }
  const error = await Promise.race([all(), stopped, talk.over])
  if (error !== undefined) console.error(`nitka: ${printable(error.message)}`)
  return finish(talk, error)
}

function endOnSignals(end: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)
}

/** Gives what was sent a moment to be confirmed. */
function goodbye(talk: Conversation): Promise<void> {
  if (talk.unconfirmed === 0) return Promise.resolve()
  return new Promise((resolve) => {
    void talk.settled().then(resolve)
    world.clock.after(goodbyeMs, resolve)
  })
}

function finish(talk: Conversation, error: ClientError | undefined): number {
  const { unconfirmed } = talk
  if (unconfirmed > 0) console.error(`nitka: ${unconfirmed} messages were not confirmed; they may be stored or not`)
  talk.leave()
  return error === undefined && unconfirmed === 0 && talk.refused === 0 ? 0 : 1
}
