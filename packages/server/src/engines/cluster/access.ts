// How a node shows who it is to Postgres and NATS, and how it knows that they are who they should be: names and passwords of their
// addresses, files of certificates and credentials.

import { readFileSync } from 'node:fs'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { type Authenticator, credsAuthenticator } from '@nats-io/nats-core'
import { NitkaError } from '@nitka/protocol'

/** As libpq has them. `allow` and `prefer` encrypt when the server does; only the last two know who it is. */
const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
type Mode = (typeof modes)[number]

interface Tls {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly rejectUnauthorized: boolean
  readonly checkServerIdentity: (name: string, certificate: PeerCertificate) => Error | undefined
}

export interface PostgresAccess {
  /** Without what is in `ssl`: the server does not know it. */
  readonly url: string
  readonly ssl: false | 'prefer' | Tls
}

/**
 * What the client of Postgres is given for an address with `sslmode`, `sslrootcert`, `sslcert` and `sslkey`, as libpq takes
 * them: it knows the first alone, and takes `localhost` for the name of a server that is given as a number. A file of
 * authorities without a mode: `verify-full`; `ssl=true`: `require`.
 * @throws NitkaError `invalid` what they say makes no sense
 */
export function postgresAccess(address: string): PostgresAccess {
  const url = new URL(address)
  const names = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'ssl']
  const [mode, authorities, cert, key, encrypted] = names.map((name) => {
    const value = url.searchParams.get(name) ?? ''
    url.searchParams.delete(name)
    return value
  }) as [string, string, string, string, string]
  const usual = encrypted === 'true' ? 'require' : authorities === '' ? 'disable' : 'verify-full'
  const chosen = mode === '' ? usual : mode
  if (!(modes as readonly string[]).includes(chosen)) {
    throw new NitkaError('invalid', `sslmode must be one of ${modes.join(', ')}, not ${mode}`, { field: 'postgresUrl' })
  }
  const wrong = wrongWith({ mode, encrypted, chosen, authorities, cert, key })
  if (wrong !== undefined) throw new NitkaError('invalid', wrong, { field: 'postgresUrl' })
  return { url: url.href, ssl: encryption(chosen as Mode, { authorities, cert, key }, url.hostname) }
}

/** What would be served in the open, or by anybody, without a word. */
function wrongWith(said: Readonly<Record<'mode' | 'encrypted' | 'chosen' | 'authorities' | 'cert' | 'key', string>>) {
  const { mode, encrypted, chosen, authorities, cert, key } = said
  // Other clients take more there.
  if (!['', 'true', 'false'].includes(encrypted)) return 'ssl must be true or false; sslmode says more'
  if ((cert === '') !== (key === '')) return 'sslcert and sslkey go together'
  if (cert !== '' && mode === '' && chosen === 'disable') return 'sslcert needs an sslmode'
  // Authorities of everybody say nothing where names do not count.
  if (chosen === 'verify-ca' && authorities === '')
    return 'sslmode=verify-ca needs a file of authorities in sslrootcert'
  if (authorities === 'system' && chosen !== 'verify-full') return 'sslrootcert=system needs sslmode=verify-full'
  return undefined
}

function encryption(
  mode: Mode,
  files: { readonly authorities: string; readonly cert: string; readonly key: string },
  host: string,
): PostgresAccess['ssl'] {
  if (mode === 'disable') return false
  if (mode === 'allow' || mode === 'prefer') return 'prefer'
  return {
    ...(files.authorities === '' || files.authorities === 'system' ? {} : { ca: contentOf(files.authorities) }),
    ...(files.cert === '' ? {} : { cert: contentOf(files.cert) }),
    ...(files.key === '' ? {} : { key: contentOf(files.key) }),
    // As libpq: who has authorities asks them.
    rejectUnauthorized: mode !== 'require' || files.authorities !== '',
    checkServerIdentity: mode === 'verify-full' ? identityOf(host.split(',')) : () => undefined,
  }
}

/** Files that the options name; empty: none. */
export interface NatsFiles {
  /** As `nsc` writes it: a token and the seed of its key. */
  readonly credentials?: string
  /** Authorities that servers are known by, besides those of Node. */
  readonly ca?: string
  /** Of this node. */
  readonly cert?: string
  readonly key?: string
}

export interface NatsAccess {
  readonly servers: string[]
  readonly user?: string
  readonly pass?: string
  readonly token?: string
  readonly authenticator?: Authenticator
  /** There: a server that does not encrypt is refused. */
  readonly tls?: Readonly<Record<string, unknown>>
}

/**
 * What the client of NATS is given: it takes hosts and ports from addresses, and nothing else. All servers are of one cluster, so
 * the first name and password are those for all of them; a name alone is a token.
 * @throws NitkaError `invalid` a file cannot be read
 */
export function natsAccess(urls: readonly string[], files: NatsFiles = {}): NatsAccess {
  const all = urls.map((url) => new URL(url))
  const { username = '', password = '' } = all.find((url) => url.username !== '') ?? {}
  const [name, pass] = [decodeURIComponent(username), decodeURIComponent(password)]
  const { credentials = '', ca = '', cert = '', key = '' } = files
  const encrypted = all.some(({ protocol }) => protocol === 'tls:') || ca !== '' || cert !== ''
  for (const file of [ca, cert, key]) if (file !== '') contentOf(file)
  // The client reads these files at each attempt, so that they may be renewed while it runs.
  const tls = {
    ...(ca === '' ? {} : { caFile: ca }),
    ...(cert === '' ? {} : { certFile: cert }),
    ...(key === '' ? {} : { keyFile: key }),
    checkServerIdentity: identityOf(all.map(({ hostname }) => hostname)),
  }
  return {
    servers: all.map(({ host }) => host),
    ...(name === '' ? {} : pass === '' ? { token: name } : { user: name, pass }),
    ...(credentials === '' ? {} : { authenticator: credsAuthenticator(renewed(credentials)) }),
    ...(encrypted ? { tls } : {}),
  }
}

/** The content of a file as it is now. One that is just being written is as it was: the client would give up for good. */
function renewed(file: string): () => Uint8Array {
  let last = contentOf(file)
  return () => {
    try {
      const content = readFileSync(file)
      if (/END NATS USER JWT[\s\S]*END USER NKEY SEED/.test(content.toString('latin1'))) last = content
    } catch {
      // Away for a moment.
    }
    return last
  }
}

/** A server is who it should be when its certificate is for a host of the address, or for the name by which its cluster knows it. */
function identityOf(hosts: readonly string[]) {
  return (name: string, certificate: PeerCertificate): Error | undefined => {
    // Node says `localhost` where it knows no name, as of a number.
    const known = hosts.map((host) => host.replace(/^\[(.*)\]$/, '$1'))
    const names = name === 'localhost' || known.includes(name) ? known : [...known, name]
    const refusals = names.map((one) => checkServerIdentity(one, certificate))
    return refusals.includes(undefined) ? undefined : refusals[0]
  }
}

function contentOf(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new NitkaError('invalid', `the file ${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
