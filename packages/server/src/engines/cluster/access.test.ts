// How nodes, Postgres and NATS know each other: with real servers, and certificates that were made for this.

import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { eventually } from '../../../testing/eventually.ts'
import { noNats, TestNats } from '../../../testing/nats.ts'
import { natsAccount } from '../../../testing/nats-account.ts'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import { temporaryFolder } from '../../../testing/server.ts'
import { realWorld } from '../../world.ts'
import { type NatsFiles, natsAccess, postgresAccess } from './access.ts'
import { natsUrls } from './addresses.ts'
import { Announcements } from './announcements.ts'
import { Database } from './database.ts'
import { NatsBus } from './nats-bus.ts'

const { clock } = realWorld()
const file = (name: string): string => new URL(`../../../testing/tls/${name}.pem`, import.meta.url).pathname
/** One is for 127.0.0.1, the other for localhost. */
const [address, local] = [file('address-cert'), file('cert')]
const quiet = { onGap: () => undefined, onError: () => undefined }

test('names, passwords and tokens of NATS come from its addresses', () => {
  const servers = ['one:4222', 'two:4223']
  const access = (option: string) => {
    const { tls, ...rest } = natsAccess(natsUrls(option))
    return tls === undefined ? rest : { ...rest, encrypted: true }
  }
  assert.deepEqual(access('nats://one:4222, nats://two:4223'), { servers })
  assert.deepEqual(access('nats://one:4222,nats://ann:a%2Cb@two:4223'), { servers, user: 'ann', pass: 'a,b' })
  assert.deepEqual(access('tls://a%20token@one:4222'), { servers: ['one:4222'], token: 'a token', encrypted: true })
  assert.throws(() => natsAccess(['nats://one'], { ca: '/nowhere.pem' }), { code: 'invalid', message: /nowhere/ })
  assert.throws(() => natsAccess(['nats://one'], { credentials: '/nowhere' }), { code: 'invalid', message: /nowhere/ })
})

test('what an address of Postgres says of TLS is taken out of it', () => {
  const [url, other] = ['postgres://ann:a%2Cb@db:5432/nitka', 'postgres://ann@db/nitka?target_session_attrs=primary']
  assert.deepEqual(postgresAccess(url), { url, ssl: false })
  assert.deepEqual(postgresAccess(`${other}&sslmode=prefer`), { url: other, ssl: 'prefer' })
  const { ssl, url: left } = postgresAccess(`${url}?ssl=true`)
  assert.equal(typeof ssl === 'object' && ssl.rejectUnauthorized, false)
  assert.equal(typeof ssl, 'object')
  assert.equal(left, url)
  assert.deepEqual(postgresAccess(`${url}?ssl=false`), { url, ssl: false })
  for (const wrong of [
    'ssl=require',
    'sslcert=/a.pem&sslkey=/b.pem',
    'sslmode=require&sslcert=/a.pem',
    'sslmode=verify-ca',
    'sslmode=verify-ca&sslrootcert=system',
    'sslmode=require&sslrootcert=system',
  ]) {
    assert.throws(() => postgresAccess(`${url}?${wrong}`), { code: 'invalid', field: 'postgresUrl' }, wrong)
  }
  assert.throws(() => postgresAccess(`${url}?sslmode=verify`), { code: 'invalid', field: 'postgresUrl' })
  assert.throws(() => postgresAccess(`${url}?sslrootcert=/nowhere.pem`), { code: 'invalid', message: /nowhere/ })
})

test('Postgres is reached over TLS, and known by its certificate as the address says', {
  skip: noPostgres() ?? false,
}, async (t) => {
  const server = await TestPostgres.start({ after: (end) => after(end) }, ['fsync=off', 'ssl=on'], (data) => {
    copyFileSync(address, join(data, 'server.crt'))
    copyFileSync(file('address-key'), join(data, 'server.key'))
    // Postgres takes no key that others may read, and a checkout lets them.
    chmodSync(join(data, 'server.key'), 0o600)
  })
  const url = await server.database()
  const named = url.replace('127.0.0.1', 'localhost')
  const encrypted = async (from: string): Promise<boolean | undefined> => {
    const database = new Database({ url: from, clock, connectionsMax: 1, statementMs: 300 })
    try {
      const [row] = await database.run<{ ssl: boolean }>('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
      return row?.ssl
    } finally {
      await database.close()
    }
  }
  assert.equal(await encrypted(url), false)
  for (const way of [
    `${url}?sslmode=prefer`,
    `${url}?sslmode=require`,
    `${url}?sslrootcert=${address}`,
    `${url}?sslmode=verify-full&sslrootcert=${address}`,
    `${named}?sslmode=verify-ca&sslrootcert=${address}`,
  ]) {
    assert.equal(await encrypted(way), true, way)
  }
  for (const [way, reason] of [
    [`${named}?sslmode=verify-full&sslrootcert=${address}`, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [`${url}?sslmode=verify-full&sslrootcert=${local}`, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    [`${url}?sslmode=require&sslrootcert=${local}`, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    [`${url}?sslmode=verify-full`, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ] as const) {
    const refused = (error: Error): boolean => (error.cause as { code?: string }).code === reason
    await assert.rejects(encrypted(way), refused, way)
  }
  const told: string[] = []
  const announcements = await Announcements.open({
    ...{ url: `${url}?sslrootcert=${address}`, clock, stored: () => undefined, gap: () => undefined },
    added: (queue) => told.push(queue),
  })
  t.after(() => announcements.close())
  const database = new Database({ url, clock, connectionsMax: 1, statementMs: 5_000 })
  t.after(() => database.close())
  await database.run(`select pg_notify('nitka', '{"kind":"task","queue":"q"}')`)
  await eventually(() => told.length === 1, 'it is told')
})

test('a Postgres that does not encrypt is refused where TLS is demanded', {
  skip: noPostgres() ?? false,
}, async (t) => {
  const server = await TestPostgres.start(t)
  const url = await server.database()
  const ask = async (mode: string): Promise<unknown> => {
    const database = new Database({ url: `${url}?sslmode=${mode}`, clock, connectionsMax: 1, statementMs: 300 })
    return database.run('select 1').finally(() => database.close())
  }
  await ask('prefer')
  await assert.rejects(ask('require'), { code: 'unavailable' })
})

test('NATS is reached over TLS, and known by its certificate; it asks for that of a node', {
  skip: noNats() ?? false,
}, async (t) => {
  const server = await TestNats.start(t)
  await server.kill()
  const key = file('address-key')
  await server.start(['--tlscert', address, '--tlskey', key, '--tlscacert', local, '--tlsverify'])
  const url = server.url.replace('nats:', 'tls:')
  const mine = { cert: local, key: file('key') }
  const connect = async (at: string, files: NatsFiles): Promise<void> => {
    const bus = await NatsBus.open({ url: at, files, ...quiet })
    await bus.flush()
    await bus.close()
  }
  await connect(url, { ca: address, ...mine })
  await connect(server.url, { ca: address, ...mine })
  await assert.rejects(connect(url.replace('127.0.0.1', 'localhost'), { ca: address, ...mine }), /altnames|localhost/i)
  await assert.rejects(connect(url, { ca: local, ...mine }), /self-signed/)
  await assert.rejects(connect(url, mine), /self-signed/)
  await assert.rejects(connect(url, { ca: address }))
})

test('a file of credentials opens NATS, and one that is just written anew does not end the bus', {
  skip: noNats() ?? false,
}, async (t) => {
  const folder = await temporaryFolder(t)
  const [config, credentials] = [join(folder, 'nats.conf'), join(folder, 'node.creds')]
  const account = natsAccount()
  writeFileSync(config, account.config)
  writeFileSync(credentials, account.credentials)
  const server = await TestNats.start(t)
  await server.kill()
  await server.start(['-c', config])
  await assert.rejects(NatsBus.open({ url: server.url, ...quiet }), /Authorization/)
  const bus = await NatsBus.open({ url: server.url, files: { credentials }, ...quiet })
  t.after(() => bus.close())
  await bus.flush()
  writeFileSync(credentials, account.credentials.slice(0, 200))
  await server.kill()
  await eventually(() => !bus.healthy, 'it is away')
  await server.start(['-c', config])
  await eventually(() => bus.healthy, 'it is back')
})

test('a node that may not publish or hear says so, and that it is not healthy', {
  skip: noNats() ?? false,
}, async (t) => {
  const config = join(await temporaryFolder(t), 'nats.conf')
  writeFileSync(
    config,
    `authorization { users = [
       { user: mute, password: p, permissions: { publish: "other.>", subscribe: "nitka.>" } }
       { user: deaf, password: p, permissions: { publish: "nitka.>", subscribe: "other.>" } } ] }`,
  )
  const server = await TestNats.start(t)
  await server.kill()
  await server.start(['-c', config])
  for (const name of ['mute', 'deaf']) {
    const told: unknown[] = []
    const url = server.url.replace('//', `//${name}:p@`)
    const bus = await NatsBus.open({ url, ...quiet, onError: (error) => told.push(error) })
    t.after(() => bus.close())
    bus.subscribe('s', () => undefined)
    bus.publish('s', new Uint8Array(1))
    await eventually(() => !bus.healthy, `${name} is not healthy`)
    assert.match(String(told), /permissions violation/i)
  }
})
