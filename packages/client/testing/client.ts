// A client with a server and a world of the test's own.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Nitka, type NitkaOptions } from '../src/nitka.ts'
import { FakeServer, type FakeWire } from './fake-wire.ts'
import { FakeWorld, settled } from './world.ts'

export const hello = {
  user: 'ann',
  version: 1,
  node: 'n1',
  durability: 'disk',
  pingMs: 25_000,
  payloadBytesMax: 65_536,
  callBytesMax: 1_000_000,
}

export interface Started {
  readonly nitka: Nitka
  readonly server: FakeServer
  readonly world: FakeWorld
  /** What `onError` was told. */
  readonly errors: unknown[]
  /** Opens the newest wire and answers its hello. */
  readonly live: (more?: object) => Promise<FakeWire>
  /** Loses the connection, and is live on the next one. */
  readonly reconnect: (more?: object) => Promise<FakeWire>
  readonly pass: (ms: number) => Promise<void>
}

let sessions = 0

/** A client that is connecting. At the end of the test it is closed, and must leave no timer behind. */
export function start(t: TestContext | undefined, options: NitkaOptions = {}): Started {
  const server = new FakeServer()
  const world = new FakeWorld()
  const errors: unknown[] = []
  const nitka = new Nitka(server.dial, { onError: (error) => errors.push(error), ...options }, world)
  const live = async (more: object = {}): Promise<FakeWire> => {
    const { wire } = server
    wire.open()
    await settled()
    wire.answer('session.hello', { ...hello, session: `s${++sessions}`, ...more })
    await settled()
    return wire
  }
  const reconnect = async (more: object = {}): Promise<FakeWire> => {
    const before = server.wires.length
    server.wire.end()
    for (let waited = 0; server.wires.length === before && waited < 100; waited++) await world.clock.pass(1_000)
    return live(more)
  }
  t?.after(async () => {
    nitka.close()
    await settled()
    assert.equal(world.clock.waiting, 0, 'no timer is left behind')
  })
  return { nitka, server, world, errors, live, reconnect, pass: (ms) => world.clock.pass(ms) }
}

/** The code of the NitkaError that a promise ends with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return (error as { code?: string }).code ?? `no code: ${error}`
  }
  return 'no error'
}

/** Where a promise stands. */
export function watched<Value>(promise: Promise<Value>): { value?: Value; error?: any; done: boolean } {
  const seen: { value?: Value; error?: any; done: boolean } = { done: false }
  promise.then(
    (value) => Object.assign(seen, { value, done: true }),
    (error) => Object.assign(seen, { error, done: true }),
  )
  return seen
}
