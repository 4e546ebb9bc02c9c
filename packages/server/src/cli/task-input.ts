// What `nitka tasks add` sends: one payload from the command line, or a line of JSON each from standard input.

import { createInterface } from 'node:readline'
import { isObject, NitkaError, parseJson } from '@nitka/protocol'
import type { Flag } from './command.ts'

export const taskFlags: readonly Flag[] = [
  { name: 'queue', value: 'Q', doc: 'the queue; default: default' },
  { name: 'key', value: 'K', doc: 'adds it once, however often it is said' },
  { name: 'group', value: 'G', doc: 'the group that it shares a limit and its turn with' },
  { name: 'priority', value: 'N', doc: '-1000 to 1000, higher first' },
  { name: 'delay', value: 'MS', doc: 'how long until it is ready' },
]

/** What is sent in one request: so many tasks, and so many characters of payload, since bodies are limited. */
const tasksAtOnce = 500
const lengthAtOnce = 256 * 1024

/** Fields of a task besides its payload. */
type TaskOptions = Readonly<Record<string, string | number>>
type Send = (tasks: readonly unknown[]) => Promise<void>

/** @throws NitkaError `invalid` */
export function readTaskOptions(own: Readonly<Record<string, string | undefined>>): TaskOptions {
  const options: Record<string, string | number> = {}
  for (const { name } of taskFlags) {
    const value = own[name]
    if (value === undefined) continue
    const numeric = name === 'priority' || name === 'delay'
    if (numeric && !/^-?\d{1,10}$/.test(value)) {
      throw new NitkaError(
        'invalid',
        `--${name} must be a whole number${name === 'delay' ? ' of ms' : ''}, not ${value}`,
      )
    }
    options[name] = numeric ? Number(value) : value
  }
  return options
}

/** @throws NitkaError `invalid` the payload is no JSON object */
export function addOne(text: string, options: TaskOptions, send: Send): () => Promise<number> {
  const payload = readPayload(text, 'the payload')
  return async () => {
    await send([{ ...options, payload }])
    return 0
  }
}

/**
 * Sends line by line, keeping no more than one request. Stops at the first line that is no task; what was sent before
 * stays added, and that is said.
 * @throws NitkaError `invalid` a key for many tasks
 */
export function addLines(input: NodeJS.ReadableStream, options: TaskOptions, send: Send): () => Promise<number> {
  if (options.key !== undefined) {
    throw new NitkaError('invalid', '--key is for one task; lines on standard input would all be repeats of the first')
  }
  return async () => {
    let [number, added, length] = [0, 0, 0]
    let waiting: unknown[] = []
    const flush = async (): Promise<void> => {
      if (waiting.length > 0) await send(waiting)
      added += waiting.length
      ;[waiting, length] = [[], 0]
    }
    try {
      for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
        number++
        if (line.trim() === '') continue
        const payload = readPayload(line, `line ${number}`)
        if (waiting.length === tasksAtOnce || (waiting.length > 0 && length + line.length > lengthAtOnce)) await flush()
        waiting.push({ ...options, payload })
        length += line.length
      }
      await flush()
    } catch (error) {
      if (!(error instanceof NitkaError)) throw error
      throw new NitkaError(error.code, `${error.message}; added before that: ${added}`, { cause: error })
    }
    return 0
  }
}

function readPayload(text: string, what: string): unknown {
  let payload: unknown
  try {
    payload = parseJson(text)
  } catch (error) {
    throw new NitkaError('invalid', `${what} is refused: ${(error as Error).message}`)
  }
  if (!isObject(payload)) throw new NitkaError('invalid', `${what} must be a JSON object, such as {"Period":100}`)
  return payload
}
