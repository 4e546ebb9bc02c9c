// The relay: what a client of a channel sends goes to all others of the channel, unchanged, at most once, newest wins.
// Nothing is stored. Order per sender is kept.

import type { Bus, BusSubscription } from '../bus.ts'
import { subjectToken } from '../bus.ts'
import { type Batch, Broadcast, type Listener } from '../fanout/broadcast.ts'
import type { Pulse } from '../fanout/pulse.ts'
import type { Encoder, Recipient } from '../fanout/recipient.ts'
import type { Clock } from '../world.ts'
import { type Drop, DropRing } from './drops.ts'
import { type DropRule, Pool, type PoolLimits } from './pool.ts'

export interface RelayMessage {
  readonly channel: string
  readonly data: Uint8Array
  readonly binary: boolean
}

interface Channel {
  readonly broadcast: Broadcast<RelayMessage>
  readonly remote: BusSubscription
}

export class Relay {
  /** Messages taken from clients. */
  published = 0
  /** Messages handed to sockets. */
  delivered = 0
  /** Messages not delivered, by rule. */
  readonly dropped: Record<DropRule, number> = { 'pool-messages': 0, 'pool-bytes': 0, attempts: 0, left: 0 }
  readonly #bus: Bus
  readonly #pulse: Pulse
  readonly #clock: Clock
  readonly #limits: PoolLimits
  readonly #channels = new Map<string, Channel>()
  readonly #members = new Set<RelayMember>()
  readonly #drops = new DropRing()

  constructor(parts: { bus: Bus; pulse: Pulse; clock: Clock }, limits: PoolLimits) {
    this.#bus = parts.bus
    this.#pulse = parts.pulse
    this.#clock = parts.clock
    this.#limits = limits
  }

  get channels(): number {
    return this.#channels.size
  }

  /** Messages and bytes that wait in pools. */
  waiting(): { messages: number; bytes: number } {
    let messages = 0
    let bytes = 0
    for (const member of this.#members) {
      messages += member.pool.length
      bytes += member.pool.bytes
    }
    return { messages, bytes }
  }

  /** The latest drops, oldest first, at most 1,024: when, where, for whom and by which rule. */
  drops(channel?: string): readonly Drop[] {
    return this.#drops.list(channel)
  }

  /** Joins a channel; gets what others publish from now on. */
  join(channel: string, recipient: Recipient, encoder: Encoder<RelayMessage>): RelayMember {
    const { broadcast } = this.#channel(channel)
    const delivered = (count: number): void => {
      this.delivered += count
    }
    const dropped = (rule: DropRule, count: number): void => {
      this.dropped[rule] += count
      this.#drops.add({ time: this.#clock.now(), channel, user: recipient.user, connection: recipient.id, rule, count })
    }
    const pool = new Pool(recipient, this.#clock, this.#limits, { delivered, dropped })
    const member = new RelayMember(channel, recipient, encoder, pool, delivered)
    this.#members.add(member)
    broadcast.add(member)
    return member
  }

  /** Leaves. May be called twice. */
  leave(member: RelayMember): void {
    if (!this.#members.delete(member)) return
    member.pool.close()
    const channel = this.#channels.get(member.channel)
    if (channel === undefined) return
    channel.broadcast.remove(member)
    if (channel.broadcast.size > 0) return
    channel.remote.cancel()
    this.#channels.delete(member.channel)
  }

  /** Sends to all members of the channel but `sender`. `data` must not change after. Runs once per message. */
  publish(channel: string, data: Uint8Array, binary: boolean, sender?: RelayMember): void {
    this.published++
    this.#channels.get(channel)?.broadcast.publish({ channel, data, binary }, data.length, sender)
    if (!this.#bus.alone) this.#bus.publish(subjectOf(channel), Buffer.concat([binary ? binaryMark : textMark, data]))
  }

  #channel(name: string): Channel {
    const known = this.#channels.get(name)
    if (known !== undefined) return known
    const broadcast = new Broadcast<RelayMessage>(this.#pulse)
    const remote = this.#bus.subscribe(subjectOf(name), (bytes) => {
      const data = bytes.subarray(1)
      broadcast.publish({ channel: name, data, binary: bytes[0] === 1 }, data.length)
    })
    const channel = { broadcast, remote }
    this.#channels.set(name, channel)
    return channel
  }
}

/** One client in one channel. */
export class RelayMember implements Listener<RelayMessage> {
  readonly channel: string
  readonly encoder: Encoder<RelayMessage>
  readonly pool: Pool
  readonly #recipient: Recipient
  readonly #onDelivered: (count: number) => void

  constructor(
    channel: string,
    recipient: Recipient,
    encoder: Encoder<RelayMessage>,
    pool: Pool,
    onDelivered: (count: number) => void,
  ) {
    this.channel = channel
    this.#recipient = recipient
    this.encoder = encoder
    this.pool = pool
    this.#onDelivered = onDelivered
  }

  /** Runs once per pulse and member. */
  take(batch: Batch<RelayMessage>): void {
    if (this.pool.empty && this.#recipient.flowing) {
      this.#onDelivered(batch.around(this, this.#give))
      return
    }
    for (let i = 0; i < batch.messages.length; i++) {
      if (!batch.isFrom(i, this)) this.pool.add(batch.copyOf(i))
    }
  }

  readonly #give = (bytes: Uint8Array): void => this.#recipient.deliver(bytes)
}

const textMark = Uint8Array.of(0)
const binaryMark = Uint8Array.of(1)

function subjectOf(channel: string): string {
  return `relay.${subjectToken(channel)}`
}
