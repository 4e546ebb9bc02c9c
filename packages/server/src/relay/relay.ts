// The relay: what a client of a channel sends goes to all others of the channel, unchanged, at most once, newest wins.
// Nothing is stored. Order per sender is kept.

import { plainName } from '@nitka/protocol'
import { type Bus, type BusSubscription, subjectToken } from '../bus.ts'
import { type Batch, Broadcast, type Listener } from '../fanout/broadcast.ts'
import { Exchange } from '../fanout/exchange.ts'
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

/** The relay: what one client of a channel sends, all others get; nothing is stored. */
export class Relay {
  /** Messages taken from clients. */
  published = 0
  /** Messages handed to sockets. */
  delivered = 0
  /** Messages not delivered, by rule. */
  readonly dropped: Record<DropRule, number> = {
    ...{ 'pool-messages': 0, 'pool-bytes': 0, attempts: 0, left: 0, 'too-large-for-bus': 0 },
  }
  /** What goes to clients on other nodes, and comes from them. */
  readonly exchange: Exchange
  readonly #pulse: Pulse
  readonly #clock: Clock
  readonly #limits: PoolLimits
  readonly #channels = new Map<string, Channel>()
  readonly #members = new Set<RelayMember>()
  readonly #drops = new DropRing()

  /** @internal */
  constructor(parts: { bus: Bus; pulse: Pulse; clock: Clock }, limits: PoolLimits) {
    this.exchange = new Exchange(parts.bus, parts.pulse)
    this.#pulse = parts.pulse
    this.#clock = parts.clock
    this.#limits = limits
  }

  /** How many channels there are. */
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

  /** @internal Joins a channel; gets what others publish from now on. */
  join(channel: string, recipient: Recipient, encoder: Encoder<RelayMessage>): RelayMember {
    const { broadcast } = this.#channel(channel)
    const delivered = (count: number): void => {
      this.delivered += count
    }
    const dropped = (rule: DropRule, count: number): void => {
      this.#drop({ channel, user: recipient.user, connection: recipient.id, rule, count })
    }
    const pool = new Pool(recipient, this.#clock, this.#limits, { delivered, dropped })
    const member = new RelayMember(channel, recipient, encoder, pool, delivered)
    this.#members.add(member)
    broadcast.add(member)
    return member
  }

  /** @internal Leaves. May be called twice. */
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

  /**
   * Sends from the application to all clients of a channel: text as a text frame, bytes (which must not change after) as a
   * binary one. As every relay message: at most once, newest wins, and gone when nobody is there.
   * @throws NitkaError `invalid` the name of the channel
   */
  send(channel: string, data: string | Uint8Array): void {
    const text = typeof data === 'string'
    this.publish(plainName(channel, 'channel'), text ? Buffer.from(data) : data, !text)
  }

  /**
   * @internal Sends to all members of the channel but `sender`. `data` must not change after. Runs once per message. What is
   * larger than the wire between nodes carries reaches this node's members alone, and counts as dropped.
   */
  publish(channel: string, data: Uint8Array, binary: boolean, sender?: RelayMember): void {
    this.published++
    this.#channels.get(channel)?.broadcast.publish({ channel, data, binary }, data.length, sender)
    if (this.exchange.alone || this.exchange.tell(subjectOf(channel), data, binary ? binaryMark : textMark)) return
    const { user, id } = sender?.recipient ?? { user: '', id: '' }
    this.#drop({ channel, user, connection: id, rule: 'too-large-for-bus', count: 1 })
  }

  #drop(drop: Omit<Drop, 'time'>): void {
    this.dropped[drop.rule] += drop.count
    this.#drops.add({ time: this.#clock.now(), ...drop })
  }

  #channel(name: string): Channel {
    const known = this.#channels.get(name)
    if (known !== undefined) return known
    const broadcast = new Broadcast<RelayMessage>(this.#pulse)
    const remote = this.exchange.listen(subjectOf(name), (data, mark) => {
      // Others are of a newer version, and not for clients of this one.
      if (mark !== textMark && mark !== binaryMark) return
      broadcast.publish({ channel: name, data, binary: mark === binaryMark }, data.length)
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
  readonly recipient: Recipient
  readonly #onDelivered: (count: number) => void

  constructor(
    channel: string,
    recipient: Recipient,
    encoder: Encoder<RelayMessage>,
    pool: Pool,
    onDelivered: (count: number) => void,
  ) {
    this.channel = channel
    this.recipient = recipient
    this.encoder = encoder
    this.pool = pool
    this.#onDelivered = onDelivered
  }

  /** Runs once per pulse and member. */
  take(batch: Batch<RelayMessage>): void {
    if (this.pool.empty && this.recipient.flowing) {
      this.#onDelivered(batch.around(this, this.#give))
      return
    }
    for (let i = 0; i < batch.messages.length; i++) {
      if (!batch.isFrom(i, this)) this.pool.add(batch.copyOf(i))
    }
  }

  readonly #give = (bytes: Uint8Array): void => this.recipient.deliver(bytes)
}

const textMark = 0
const binaryMark = 1

function subjectOf(channel: string): string {
  return `relay.${subjectToken(channel)}`
}
