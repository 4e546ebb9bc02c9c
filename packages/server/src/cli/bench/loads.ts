// The loads: one a service. Each keeps a bounded number of messages under way, so that it finds what the server can do
// and floods nobody.

import { type Nitka, NitkaError, type Task } from '@nitka/client'
import type { Load, Stage, Stamped, Subject } from './load.ts'

/** Messages under way, over all clients. */
const underWay = 256
/** In a room everybody gets each of them. */
const underWayInRoom = 64
const lostMs = 1_000
const taskBatch = 10
const addAtOnce = 50
const retryMs = 20
const triesMax = 250

export const loads: Readonly<Record<Subject, Load>> = { relay, rooms, direct, tasks, requests }

/** How many loops a client runs when `clients` share so many messages. */
function share(messages: number, clients: number): number {
  return Math.max(1, Math.floor(messages / clients))
}

/** The first client publishes, all others receive. The relay confirms nothing, so receipts say when to go on. */
async function relay(stage: Stage): Promise<() => Promise<void>> {
  const { meter, clients } = stage
  const channels = await Promise.all(clients.map((client) => joinedChannel(client.relay(stage.prefix))))
  const [publisher, ...receivers] = channels
  let due = 0
  const publish = (): void => {
    while (!stage.stopped && due <= (underWayInRoom - 1) * receivers.length) {
      if (publisher?.publish(stage.message()) !== true) return
      due += receivers.length
      meter.confirmed()
    }
  }
  let receipts = 0
  for (const channel of receivers) {
    channel.on('message', ({ message }) => {
      receipts++
      due--
      meter.delivered((message as Stamped).at)
      publish()
    })
  }
  let before = -1
  const watch = stage.clock.every(lostMs, () => {
    // The relay drops what a slow client does not take: nobody waits for that.
    if (receipts === before) {
      meter.failed(due)
      due = 0
    }
    before = receipts
    publish()
  })
  publish()
  return async () => {
    watch.cancel()
    await stage.stop()
  }
}

type Channel = ReturnType<Stage['first']['relay']>

function joinedChannel(channel: Channel): Promise<Channel> {
  if (channel.joined) return Promise.resolve(channel)
  return new Promise((resolve, reject) => {
    channel.on('joined', () => resolve(channel))
    channel.on('left', ({ error }) => reject(error))
  })
}

/** All clients are in one room and write into it; each gets every message. */
async function rooms(stage: Stage): Promise<() => Promise<void>> {
  const { meter, clients, prefix } = stage
  await stage.first.rooms.create({ id: prefix, name: 'bench', open: true })
  const joined = await Promise.all(clients.map((client) => client.rooms.join(prefix)))
  for (const room of joined) room.on('message', ({ message }) => meter.delivered((message as Stamped).at))
  for (const room of joined.slice(0, underWayInRoom)) {
    stage.loop(share(underWayInRoom, joined.length), async () => {
      await room.send(stage.message())
      meter.confirmed()
    })
  }
  return () => stage.stop()
}

/** Clients write to each other in pairs. */
async function direct(stage: Stage): Promise<() => Promise<void>> {
  const { meter, clients } = stage
  const inboxes = await Promise.all(clients.map((client) => client.direct.open()))
  for (const [i, inbox] of inboxes.entries()) {
    const partner = partnerOf(i, clients.length)
    inbox.on('message', ({ message }) => {
      const { at, to } = message as Stamped & { readonly to: number }
      if (to === i) meter.delivered(at)
    })
    const user = clients[partner]?.user ?? ''
    stage.loop(share(underWay, clients.length), async () => {
      await clients[i]?.direct.send(user, { ...stage.message(), to: partner })
      meter.confirmed()
    })
  }
  return () => stage.stop()
}

/** 0 and 1, 2 and 3; the last of an odd number writes to the first. */
function partnerOf(i: number, count: number): number {
  return (i ^ 1) < count ? i ^ 1 : 0
}

/** The first client adds tasks, the others work on them, in batches. */
async function tasks(stage: Stage): Promise<() => Promise<void>> {
  const { meter, clients, prefix: queue } = stage
  const [adder, ...others] = clients
  /** Added, or about to be, and not worked on yet. */
  let open = 0
  const waiting = new Set<() => void>()
  const fewer = (): Promise<void> => new Promise((resolve) => void waiting.add(resolve))
  const wake = (): void => {
    for (const resolve of waiting) resolve()
    waiting.clear()
  }
  const workers = others.map((client) =>
    client.tasks.work(queue, { batch: taskBatch }, ({ payload }: Task) => {
      open--
      meter.delivered((payload as Stamped).at)
      meter.confirmed()
      wake()
    }),
  )
  const openMax = Math.max(4 * addAtOnce, 2 * taskBatch * workers.length)
  stage.loop(4, async () => {
    while (open + addAtOnce > openMax && !stage.stopped) await fewer()
    if (stage.stopped) return
    open += addAtOnce
    const added = Array.from({ length: addAtOnce }, () => ({ queue, payload: stage.message() }))
    await adder?.tasks.addAll(added).catch((error: unknown) => {
      open -= addAtOnce
      throw error
    })
  })
  return async () => {
    const stopping = stage.stop()
    wake()
    await stopping
    // The queue is left empty.
    while (open > 0) await fewer()
    await Promise.all(workers.map((worker) => worker.stop()))
  }
}

/** The first client answers, the others ask. */
async function requests(stage: Stage): Promise<() => Promise<void>> {
  const { meter, clients, prefix: type } = stage
  const [executor, ...askers] = clients
  executor?.requests.handle(type, (payload) => payload, { concurrency: underWayInRoom })
  for (let tries = 1; !(await answers(askers[0], type)); tries++) {
    if (tries === triesMax) throw new NitkaError('failed', 'the server does not let this client answer requests')
    await stage.pause(retryMs)
  }
  for (const asker of askers) {
    stage.loop(share(underWay, askers.length), async () => {
      const message = stage.message()
      await asker.requests.call(type, message)
      meter.confirmed()
      meter.delivered(message.at)
    })
  }
  return () => stage.stop()
}

/** Whether the type has its executor already. */
function answers(asker: Nitka | undefined, type: string): Promise<boolean> {
  const asked = asker?.requests.call(type, null, { timeoutMs: lostMs })
  return asked === undefined
    ? Promise.resolve(false)
    : asked.then(
        () => true,
        (error: NitkaError) => (error.code === 'forbidden' ? Promise.reject(error) : false),
      )
}
