// Everything that can happen to a followed log, against the log itself.

import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { type Started, start } from '../testing/client.ts'
import type { FakeWire } from '../testing/fake-wire.ts'
import { FakeLog } from '../testing/log.ts'
import { settled } from '../testing/world.ts'
import type { RoomMessage } from './answers.ts'
import type { Room } from './room.ts'

type Step =
  | { readonly kind: 'tell' | 'quiet' | 'reconnect' | 'attach' | 'detach' | 'hold' | 'free' }
  | { readonly kind: 'again'; readonly back: number }
  | { readonly kind: 'lose'; readonly count: number; readonly told: boolean }
  | { readonly kind: 'take'; readonly count: number }
  | { readonly kind: 'flood'; readonly count: number }

const plain = (...kinds: ('tell' | 'quiet' | 'reconnect' | 'attach' | 'detach' | 'hold' | 'free')[]) =>
  fc.constantFrom(...kinds).map((kind): Step => ({ kind }))

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: plain('tell') },
  { weight: 3, arbitrary: plain('quiet', 'reconnect', 'attach', 'detach', 'hold', 'free') },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('again' as const), back: fc.integer({ min: 0, max: 5 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('lose' as const),
      count: fc.integer({ min: 1, max: 4 }),
      told: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const), count: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('flood' as const), count: fc.constantFrom(30, 1_100) }) },
)

/** A room, its log, and two who read it: a listener that comes and goes, and a loop at its own pace. */
class Scene {
  readonly heard: number[] = []
  readonly looped: number[] = []
  readonly gaps: number[] = []
  readonly #started: Started
  readonly #log: FakeLog
  readonly #loop: AsyncGenerator<RoomMessage<number>>
  readonly #room: Room<number>
  #wire: FakeWire
  #off: (() => void) | undefined
  #pending = 0
  /** History questions that are answered when the test says so. */
  #held: { id: number; params: any; wire: FakeWire }[] | undefined

  constructor(started: Started, log: FakeLog, wire: FakeWire, room: Room<number>) {
    this.#started = started
    this.#log = log
    this.#wire = wire
    this.#room = room
    this.#loop = room.messages({ since: 0 })
    room.on('gap', ({ from, to }) => {
      for (let offset = from; offset <= to; offset++) this.gaps.push(offset)
    })
    started.server.on('rooms.history', (params, on) => {
      if (this.#held === undefined) return log.history(params)
      this.#held.push({ id: on.calls('rooms.history').at(-1)?.id as number, params, wire: on })
      return undefined
    })
  }

  async run(one: Step): Promise<void> {
    if (one.kind === 'tell') this.#log.tell(this.#wire)
    else if (one.kind === 'quiet') this.#log.add()
    else if (one.kind === 'reconnect') this.#wire = await this.#started.reconnect()
    else if (one.kind === 'attach') this.#attach()
    else if (one.kind === 'detach') this.#detach()
    else if (one.kind === 'hold') this.#held ??= []
    else if (one.kind === 'free') this.#free()
    else if (one.kind === 'again') this.#again(one.back)
    else if (one.kind === 'lose') this.#lose(one.count, one.told)
    else if (one.kind === 'take') this.#take(one.count)
    else if (one.kind === 'flood') for (let i = 0; i < one.count; i++) this.#log.tell(this.#wire)
    if (one.kind !== 'tell') await settled()
  }

  /** Everything comes to rest; each reader must have the log by then. */
  async end(): Promise<void> {
    this.#free()
    this.#wire = await this.#started.reconnect()
    this.#log.tell(this.#wire)
    this.#attach()
    this.#take(this.#log.entries.length - this.looped.length - this.#pending)
    for (let i = 0; i < 30 && this.looped.length < this.#log.entries.length; i++) await settled()
    await settled()
  }

  #attach(): void {
    this.#off ??= this.#room.on('message', ({ message }) => this.heard.push(message))
  }

  #detach(): void {
    this.#off?.()
    this.#off = undefined
  }

  #free(): void {
    for (const { id, params, wire } of this.#held ?? []) {
      if (!wire.over) wire.result(id, this.#log.history(params))
    }
    this.#held = undefined
  }

  #again(back: number): void {
    const entry = this.#log.entries.at(-1 - back)
    if (entry !== undefined) this.#wire.notify('rooms.message', entry)
  }

  #lose(count: number, told: boolean): void {
    const range = this.#log.lose(this.#log.head + 1, this.#log.head + count)
    if (told) this.#wire.notify('session.missing', { log: 'room:tea', missing: [range] })
  }

  #take(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#pending++
      void this.#loop.next().then(({ value }) => {
        this.#pending--
        if (value !== undefined) this.looped.push(value.message)
      })
    }
  }
}

test('every reader gets exactly the log, in order, once, and a gap for what is missing, whatever happens', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const started = start(undefined, { pingMs: 0 })
      const log = new FakeLog(started.server)
      const wire = await started.live()
      const room = (await started.nitka.rooms.join('tea')) as Room<number>
      const scene = new Scene(started, log, wire, room)
      for (const one of steps) await scene.run(one)
      await scene.end()
      const entries = log.entries.map(({ offset }) => offset)
      assert.deepEqual(scene.heard, entries, 'the listener')
      assert.deepEqual(scene.looped, entries, 'the loop')
      const lost = log.missing.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i))
      assert.deepEqual(scene.gaps, lost, 'the gaps')
      assert.deepEqual(started.errors, [])
      started.nitka.close()
      await settled()
      assert.equal(started.world.clock.waiting, 0)
    }),
    { numRuns: 1_000 },
  )
})
