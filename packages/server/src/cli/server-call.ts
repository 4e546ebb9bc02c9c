// One call of a command to a running server, over HTTP.

import { type ErrorCode, errors, isObject, NitkaError } from '@nitka/protocol'
import type { Config } from '../config.ts'

const patienceMs = 30_000

/** A server, and what a command shows to it. */
export interface Target {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
}

/**
 * The server that a command talks to: `--url`, else the options `host` and `port`.
 * @throws NitkaError `invalid` not an http address
 */
export function targetOf(given: string | undefined, config: Config): Target {
  const headers = config.authToken === '' ? {} : { authorization: `Bearer ${config.authToken}` }
  return { url: serverUrl(given, config), headers }
}

/** Where a server is, by `--url` or the options. @throws NitkaError `invalid` */
export function serverUrl(given: string | undefined, config: Config): URL {
  const address = config.host.includes(':') ? `[${config.host}]` : config.host
  const url = URL.parse(given ?? `http://${address}:${config.port}`)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new NitkaError('invalid', `--url ${given} is no address; it looks like http://127.0.0.1:8080`)
  }
  return url
}

/**
 * Asks and gives the parsed answer, undefined when it is empty.
 * @param path with its query
 * @throws NitkaError `unavailable` nobody answers within 30 s; else the server's refusal
 */
export async function callServer(
  { url, headers }: Target,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const json = { 'content-type': 'application/json' }
  const response = await fetch(new URL(path, url), {
    method,
    signal: AbortSignal.timeout(patienceMs),
    headers: body === undefined ? headers : { ...headers, ...json },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    throw unreachable(url, error)
  })
  if (!response.ok) throw await refusal(response)
  const text = await response.text().catch((error: unknown) => {
    throw unreachable(url, error)
  })
  if (text === '') return undefined
  return parsed(text, response)
}

/** Why `fetch` rejected, as one line. */
export function unreachable({ origin }: URL, cause: unknown): NitkaError {
  const late = cause instanceof Error && cause.name === 'TimeoutError'
  const message = late
    ? `${origin} did not answer within ${patienceMs / 1000} s; whether it did what was asked is not known`
    : `no server answers at ${origin}; start one with \`nitka serve\``
  return new NitkaError('unavailable', message, { cause })
}

/** What an answer that is not ok says, as the error that it was on the server. */
export async function refusal(response: Response): Promise<NitkaError> {
  const problem = parsed(await response.text().catch(() => ''), response, {})
  const { code, detail } = isObject(problem) ? problem : {}
  if (typeof code === 'string' && Object.hasOwn(errors, code) && typeof detail === 'string') {
    return new NitkaError(code as ErrorCode, printable(detail))
  }
  const passing = response.status >= 500 || response.status === 429
  const message = `${new URL(response.url).origin} answers ${response.status}: is that a nitka server?`
  return new NitkaError(passing ? 'unavailable' : 'not-found', message)
}

function parsed(text: string, response: Response, otherwise?: unknown): unknown {
  try {
    return JSON.parse(text)
  } catch {
    if (otherwise !== undefined) return otherwise
    throw new NitkaError('invalid', `${new URL(response.url).origin} answers, but not as a nitka server does`)
  }
}

/**
 * Text from elsewhere, fit for a terminal: a control character (colours, cursor, title) or a mark that turns the direction
 * of writing becomes a space.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]+/gu, ' ')
}
