// What happens in a chat, and how a person reads it.

import type { Gap, RoomMessage } from '@nitka/client'
import { printable } from '../server-call.ts'
import { styled } from '../style.ts'
import { jsonLine } from '../table.ts'

/** Characters of a refused message. */
const shownMax = 60

/** One of these is a line of `nitka chat --json`. */
export type ChatEvent =
  | ({ readonly event: 'message' } & RoomMessage)
  | { readonly event: 'joined'; readonly room: string; readonly user: string; readonly present: readonly string[] }
  | { readonly event: 'presence'; readonly user: string; readonly online: boolean }
  | ({ readonly event: 'gap' } & Gap)
  | { readonly event: 'state'; readonly state: 'waiting' | 'live'; readonly reason?: string }
  /** A message was not stored. */
  | { readonly event: 'refused'; readonly message: string; readonly code: string; readonly reason: string }

/** Turns events into lines. Keeps the day, so that a new one is told once. */
export class Wording {
  readonly #user: string
  readonly #stream: NodeJS.WriteStream
  #day: string

  /**
   * @param stream where the lines go: it decides about colours
   * @param now milliseconds since 1970: messages of this day need no date
   */
  constructor(user: string, stream: NodeJS.WriteStream, now: number) {
    this.#user = user
    this.#stream = stream
    this.#day = dayOf(new Date(now))
  }

  /** The lines for an event, with nothing in them that a terminal would obey but our own colours. */
  linesOf(event: ChatEvent): readonly string[] {
    if (event.event === 'message') return this.#message(event)
    return [this.note(sentenceOf(event))]
  }

  /** What is no message. */
  note(text: string): string {
    return styled('dim', `* ${printable(text)}`, this.#stream)
  }

  #message({ from, message, time }: RoomMessage): readonly string[] {
    const date = new Date(time)
    const day = dayOf(date)
    const fresh = day !== this.#day
    this.#day = day
    const sender = from === '' ? 'the application' : printable(from)
    const name = styled(from === this.#user ? 'green' : 'cyan', sender, this.#stream)
    const text = typeof message === 'string' ? printable(message) : jsonLine(message)
    const line = `${styled('dim', date.toTimeString().slice(0, 5), this.#stream)} ${name}: ${text}`
    return fresh ? [this.note(day), line] : [line]
  }
}

function sentenceOf(event: Exclude<ChatEvent, { event: 'message' }>): string {
  switch (event.event) {
    case 'joined':
      return `you are ${event.user} in ${event.room}; ${hereAre(event.present)}`
    case 'presence':
      return `${event.user} ${event.online ? 'came' : 'left'}`
    case 'gap':
      return `messages ${event.from} to ${event.to} cannot be had: ${event.reason}`
    case 'state':
      if (event.state === 'live') return 'connected again'
      return `connection lost (${event.reason}); what is written now is sent when it is back`
    case 'refused':
      return `not sent, ${event.reason}: ${shortened(event.message)}`
  }
}

/** Who is there, as a sentence. */
export function hereAre(users: readonly string[]): string {
  return users.length === 0 ? 'nobody is here' : `here: ${[...users].sort().join(', ')}`
}

function shortened(text: string): string {
  return text.length > shownMax ? `${text.slice(0, shownMax)}…` : text
}

/** In the time zone of whoever reads it. */
function dayOf(date: Date): string {
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((n) => `${n}`.padStart(2, '0')).join('-')
}
