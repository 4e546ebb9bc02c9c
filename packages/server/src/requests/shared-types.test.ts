// Requests over several nodes of one process, with a bus that loses and nodes that come, go and lose their right.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { NitkaError } from '@nitka/protocol'
import fc from 'fast-check'
import { type Fate, type LossyNode, LossyNodes } from '../../testing/lossy-nodes.ts'
import type { Asked, Outcome, RequestContext } from './request.ts'
import { Requests } from './requests.ts'

const options = { timeoutMs: 20_000, waitingMax: 1_000, typesMax: 10 }

interface Node extends LossyNode {
  readonly requests: Requests
  alive: boolean
}

function open(nodes: LossyNodes, name: string, hearsMs = 0): Node {
  const { ownership, peers } = nodes.open(name, hearsMs)
  const requests = new Requests(nodes.clock, options, undefined, { ownership, peers })
  return { ownership, peers, requests, alive: true }
}

async function cluster(t: Pick<TestContext, 'after'>, ...names: string[]) {
  const nodes = new LossyNodes()
  const all = names.map((name) => open(nodes, name))
  t.after(async () => {
    for (const { requests, peers } of all) {
      await requests.close()
      peers.close()
    }
  })
  await nodes.pass(100)
  return { nodes, all: all as [Node, Node, Node] }
}

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    (value) => JSON.stringify(value),
    ({ code, message }: NitkaError) => `${code}: ${message}`,
  )
}

/** An executor whose requests end when the test says so. */
function byHand(begun: unknown[]) {
  const ends: ((value: unknown) => void)[] = []
  const seen: RequestContext[] = []
  const run = (payload: unknown, context: RequestContext): Promise<unknown> => {
    begun.push(payload)
    seen.push(context)
    void context.signal
    return new Promise((resolve) => ends.push(resolve))
  }
  return { run, seen, end: (value: unknown) => ends.shift()?.(value) }
}

test('a node without an executor is answered by the one that has it, one after the other over all nodes', async (t) => {
  const { nodes, all } = await cluster(t, 'one', 'two', 'three')
  const [one, two, three] = all
  const begun: unknown[] = []
  const hand = byHand(begun)
  one.requests.handle('t', hand.run)
  three.requests.handle('t', () => 'of the third node')
  await nodes.pass(100)
  const answers = [two, three, one, two].map(({ requests }, i) => requests.call('t', i, 'ann'))
  await nodes.pass(100)
  assert.deepEqual(begun.length, 1)
  for (let i = 0; i < 4; i++) {
    assert.equal(begun.length, i + 1)
    hand.end(`done ${i}`)
    await nodes.pass(300)
  }
  assert.deepEqual(new Set(await Promise.all(answers)), new Set(['done 0', 'done 1', 'done 2', 'done 3']))
  assert.deepEqual([hand.seen[0]?.user, hand.seen[0]?.fence], ['ann', nodes.owners.owner('request:t')?.fence])
  assert.deepEqual(
    [two.requests.moves, one.requests.moves.owned, three.requests.types()[0]?.owner],
    [{ forwarded: 2, askedAgain: 0, owned: 0 }, 1, 'one'],
  )
  assert.match(await codeOf(two.requests.call('other')), /^not-found/)
})

test('errors of an executor reach whoever asked elsewhere, and what is no JSON is an error, not a silence', async (t) => {
  const { nodes, all } = await cluster(t, 'one', 'two')
  const [one, two] = all
  one.requests.handle('fails', () => Promise.reject(new Error('no luck')))
  one.requests.handle('odd', () => 10n)
  await nodes.pass(100)
  const answers = [two.requests.call('fails'), two.requests.call('odd'), two.requests.call('odd', 10n)].map(codeOf)
  await nodes.pass(100)
  const [failed, odd, refused] = await Promise.all(answers)
  assert.equal(failed, 'failed: no luck')
  assert.match(odd ?? '', /^failed: the result of odd is no JSON value/)
  assert.match(refused ?? '', /^invalid: payload must be a JSON value/)
})

test('what is larger than goes between nodes is refused, and not sent again and again', async (t) => {
  const { nodes, all } = await cluster(t, 'one', 'two')
  const [one, two] = all
  const long = 'x'.repeat(9 * 1024 * 1024)
  one.requests.handle('long', () => long)
  await nodes.pass(100)
  const answers = [two.requests.call('long'), two.requests.call('long', long)].map(codeOf)
  await nodes.pass(1_000)
  const [result, payload] = await Promise.all(answers)
  assert.match(result ?? '', /^failed: the result of long has 9437186 bytes/)
  assert.match(payload ?? '', /^too-large: payload has 9437186 bytes/)
})

test('when its node dies, what had begun fails, and what waits is answered by the next node in its order', async (t) => {
  const { nodes, all } = await cluster(t, 'one', 'two', 'three')
  const [one, two, three] = all
  const hand = byHand([])
  one.requests.handle('t', hand.run)
  await nodes.pass(100)
  const begun: unknown[] = []
  two.requests.handle('t', (payload) => begun.push(payload))
  const answers = [0, 1, 2, 3].map((n) => codeOf(three.requests.call('t', n)))
  await nodes.pass(100)
  nodes.kill(one)
  await nodes.pass(1_000)
  const [first, ...others] = await Promise.all(answers)
  assert.match(first ?? '', /^unavailable: the node that worked on this .* whether it was done is unknown$/)
  assert.deepEqual(
    [others, begun],
    [
      ['1', '2', '3'],
      [1, 2, 3],
    ],
  )
  assert.equal(three.requests.moves.askedAgain, 3)
})

test('a node that loses its right stops: the signal, an error for what runs, the others at the next node', async (t) => {
  const { nodes, all } = await cluster(t, 'one', 'two', 'three')
  const [one, two, three] = all
  const hand = byHand([])
  one.requests.handle('t', hand.run)
  await nodes.pass(100)
  two.requests.handle('t', (payload, { fence }) => ({ payload, fence }))
  const answers = [codeOf(one.requests.call('t', 0)), codeOf(one.requests.call('t', 1))]
  await nodes.pass(100)
  const before = hand.seen[0]?.fence ?? 0
  answers.push(codeOf(three.requests.call('t', 2)))
  await nodes.pass(100)
  nodes.owners.move('request:t')
  hand.end('too late')
  await nodes.pass(1_000)
  const [first, ...others] = await Promise.all(answers)
  assert.match(first ?? '', /^unavailable: .* whether it was done is unknown$/)
  assert.equal(hand.seen[0]?.signal.aborted, true)
  assert.deepEqual(
    others,
    [1, 2].map((payload) => JSON.stringify({ payload, fence: before + 1 })),
  )
})

test('a node that stops lets what runs end, and what waits is answered by the next node', async (t) => {
  const { nodes, all } = await cluster(t, 'one', 'two', 'three')
  const [one, two, three] = all
  const hand = byHand([])
  one.requests.handle('t', hand.run)
  await nodes.pass(100)
  two.requests.handle('t', (payload) => payload)
  const answers = [one, one, three].map(({ requests }, n) => codeOf(requests.call('t', n)))
  await nodes.pass(100)
  one.requests.stop()
  await nodes.pass(1_000)
  assert.equal(nodes.owners.owner('request:t')?.node, 'one', 'not before what runs has ended')
  hand.end('done')
  await nodes.pass(1_000)
  assert.deepEqual(await Promise.all(answers), ['"done"', '1', '2'])
  assert.equal(hand.seen[0]?.signal.aborted, false)
})

test('who asks while a type has no node waits for the next one, and no longer than that may take', async (t) => {
  const { nodes, all } = await cluster(t, 'one', 'two', 'three')
  const [one, two, three] = all
  one.requests.handle('t', () => 'one')
  await nodes.pass(100)
  nodes.kill(one)
  await nodes.pass(10)
  const early = codeOf(three.requests.call('t'))
  await nodes.pass(3_000)
  two.requests.handle('t', () => 'two')
  await nodes.pass(500)
  assert.equal(await early, '"two"')
  nodes.kill(two)
  await nodes.pass(10)
  const late = codeOf(three.requests.call('t'))
  await nodes.pass(14_000)
  const dropped: unknown[] = []
  three.requests.ask({ type: 't', payload: 1, user: '' }, { answer: (outcome) => dropped.push(outcome) }).drop()
  assert.equal(three.requests.waiting, 1)
  await nodes.pass(2_000)
  assert.match(await late, /^unavailable: no node answers t/)
  assert.match(await codeOf(three.requests.call('t')), /^not-found/)
  assert.deepEqual([dropped, three.requests.waiting], [[], 0])
})

test('who leaves is not waited for at another node either', async (t) => {
  const { nodes, all } = await cluster(t, 'one', 'two')
  const [one, two] = all
  const begun: unknown[] = []
  const hand = byHand(begun)
  one.requests.handle('t', hand.run)
  await nodes.pass(100)
  const asked = [0, 1, 2].map((n) =>
    two.requests.ask({ type: 't', payload: n, user: '' }, { answer: () => assert.fail('dropped') }),
  )
  await nodes.pass(100)
  assert.deepEqual(
    asked.map(({ waiting }) => waiting),
    [false, true, true],
  )
  for (const one of asked) one.drop()
  await nodes.pass(100)
  hand.end(0)
  await nodes.pass(100)
  assert.deepEqual([begun, one.requests.types()[0]?.dropped, one.requests.running], [[0], 3, 0])
})

/** What happened to one request. */
interface Known {
  readonly asker: string
  readonly n: number
  readonly asked: Asked
  answers: number
}

type Step =
  | {
      readonly do: 'ask' | 'drop' | 'handle' | 'unhandle' | 'kill' | 'stop'
      readonly node: number
      readonly pick: number
    }
  | { readonly do: 'move' }
  | { readonly do: 'blink' }
  | { readonly do: 'pass'; readonly ms: number }

const step = (names: readonly Step['do'][], weight: number) => ({
  weight,
  arbitrary: fc.record({ do: fc.constantFrom(...names), node: fc.nat(3), pick: fc.nat(20) }) as fc.Arbitrary<Step>,
})
const steps = fc.array(
  fc.oneof(
    step(['ask'], 10),
    step(['drop', 'handle'], 2),
    step(['unhandle', 'kill', 'stop'], 1),
    { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'move' }, { do: 'blink' }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(5, 30, 400, 1_500) }) },
  ),
  { minLength: 5, maxLength: 60 },
)
const fates = fc.infiniteStream(
  fc.oneof({ weight: 6, arbitrary: fc.constant<Fate>('deliver') }, fc.constantFrom<Fate>('lose', 'twice', 'late')),
)

class Machine {
  readonly nodes = new LossyNodes()
  readonly all: Node[]
  readonly known: Known[] = []
  readonly #stops: (() => void)[][]
  /** Runs that have begun and not ended: with their fences. */
  readonly #runs = new Set<number>()
  #lastFence = 0
  /** Of each asker the last that begun, at whichever node. */
  readonly #last = new Map<string, number>()
  readonly #again = new Set<string>()
  calm = true

  constructor() {
    this.all = [0, 1, 2, 3].map((i) => open(this.nodes, `node${i}`, i * 40))
    this.#stops = this.all.map(() => [])
  }

  async run(one: Step): Promise<void> {
    if (one.do === 'pass') return this.nodes.pass(one.ms)
    if (one.do === 'move' || one.do === 'blink') return this.nodes.owners[one.do]('request:t')
    const node = this.all[one.node] as Node
    if (!node.alive) return
    if (one.do === 'ask') this.#ask(node, `${one.node}/${one.pick % 2}`)
    else if (one.do === 'drop') this.known.filter(({ answers }) => answers === 0)[one.pick]?.asked.drop()
    else if (one.do === 'handle') this.#stops[one.node]?.push(node.requests.handle('t', this.#executor(node)))
    else if (one.do === 'unhandle') this.#stops[one.node]?.shift()?.()
    else if (one.do === 'stop') node.requests.stop()
    else if (this.all.filter(({ alive }) => alive).length > 1) {
      node.alive = false
      this.nodes.kill(node)
    }
  }

  #ask({ requests }: Node, asker: string): void {
    const n = this.known.length
    let known: Known | undefined
    let early = 0
    const answer = (outcome: Outcome): void => {
      if (known === undefined) early++
      else known.answers++
      if ('result' in outcome) assert.deepEqual(outcome.result, { n })
      else assert.ok(['not-found', 'unavailable', 'draining'].includes(outcome.error.code), outcome.error.message)
    }
    const asked = requests.ask({ type: 't', payload: { asker, n }, user: asker }, { answer })
    known = { asker, n, asked, answers: early }
    this.known.push(known)
  }

  #executor(node: Node) {
    return async (payload: unknown, { fence, signal }: RequestContext): Promise<unknown> => {
      const { asker, n } = payload as { asker: string; n: number }
      if (!node.alive) return undefined
      // Of those under valid fences never two at a time.
      const owner = this.nodes.owners.owner('request:t')
      assert.deepEqual([owner?.node, owner?.fence], [node.ownership.node, fence])
      assert.ok(fence >= this.#lastFence && !this.#runs.has(fence), 'two at a time')
      this.#lastFence = fence
      this.#runs.add(fence)
      if (this.calm) {
        assert.ok(!this.#again.has(`${asker} ${n}`), `${n} ran twice`)
        assert.ok((this.#last.get(asker) ?? -1) < n, `${asker}: ${n} after ${this.#last.get(asker)}`)
      }
      this.#again.add(`${asker} ${n}`)
      this.#last.set(asker, n)
      await new Promise((resolve) => this.nodes.clock.after(n % 3 === 0 ? 0 : 150 * (n % 5), () => resolve(undefined)))
      this.#runs.delete(fence)
      void signal
      return { n }
    }
  }

  /** In the end everything that was asked of a living node, and not dropped, has been answered once. */
  async end(): Promise<void> {
    this.calm = false
    this.nodes.fate = () => 'deliver'
    await this.nodes.pass(25_000)
    for (const { asker, n, asked, answers } of this.known) {
      const node = this.all[Number(asker[0])] as Node
      assert.ok(answers <= 1, `${n} was answered ${answers} times`)
      if (node.alive) assert.ok(answers === 1 || !asked.waiting, `${n} was not answered`)
    }
    for (const { requests, peers, alive } of this.all) {
      if (alive) assert.equal(requests.waiting, 0)
      await requests.close()
      peers.close()
    }
    assert.deepEqual(this.nodes.errors, [])
  }
}

test('whatever nodes do: one answer a request, never two executors at a time, each asker in its order', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const machine = new Machine()
      await machine.nodes.pass(200)
      for (const one of script) await machine.run(one)
      await machine.end()
    }),
    { numRuns: Number(process.env.NITKA_RUNS ?? 1) * 60 },
  )
})

test('the same over a bus that loses, repeats and is late, but for the order', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fates, async (script, stream) => {
      const machine = new Machine()
      await machine.nodes.pass(200)
      machine.calm = false
      machine.nodes.fate = () => stream.next().value ?? 'deliver'
      for (const one of script) await machine.run(one)
      await machine.end()
    }),
    { numRuns: Number(process.env.NITKA_RUNS ?? 1) * 60 },
  )
})
