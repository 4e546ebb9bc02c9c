// Places: the connections of this node in rooms. A place can be ended from the moment it is taken, and is seen in the room
// once it has entered.

import type { Audience } from '../fanout/audience.ts'
import { EventListener } from '../fanout/event-listener.ts'
import type { Encoder, Recipient } from '../fanout/recipient.ts'
import type { RoomEvent } from './events.ts'
import type { Guest } from './guest.ts'
import type { OtherPresence } from './other-presence.ts'
import type { Presence } from './presence.ts'

export interface Place {
  readonly user: string
  /** True: left, or ended. */
  readonly closed: boolean
  /** Resolves when it is known who is here on other nodes, as far as that can be known now. */
  readonly ready: Promise<void> | undefined
  enter(): void
  /** May be called twice. @param lost the connection broke: the user is still here for the grace */
  close(lost?: boolean): void
  /** As `close`, and tells the connection that its user was removed. */
  end(): void
}

interface Hall {
  readonly places: Set<Place>
  readonly ready: Promise<void> | undefined
  readonly leave: () => void
}

export class Places {
  /** Events that a connection missed because its socket was behind. */
  missed = 0
  readonly #inRoom: Audience<RoomEvent>
  readonly #presence: Presence
  readonly #others: OtherPresence | undefined
  readonly #halls = new Map<string, Hall>()

  constructor(inRoom: Audience<RoomEvent>, presence: Presence, others: OtherPresence | undefined) {
    this.#inRoom = inRoom
    this.#presence = presence
    this.#others = others
  }

  /** @param end what ends with the place */
  take(id: string, { user, recipient, events, removed }: Guest, end: () => void): Place {
    const hall = this.#hall(id)
    let closed = false
    let leave: ((lost: boolean) => void) | undefined
    const place: Place = {
      user,
      get closed() {
        return closed
      },
      ready: hall.ready,
      enter: () => {
        this.#presence.enter(id, user)
        const deaf =
          events === undefined ? undefined : this.#inRoom.add(id, this.listener(recipient, events, ownMarker(user)))
        leave = (lost) => {
          deaf?.()
          this.#presence.exit(id, user, lost)
        }
      },
      close: (lost = false) => {
        if (closed) return
        closed = true
        end()
        hall.places.delete(place)
        leave?.(lost)
        if (hall.places.size > 0) return
        this.#halls.delete(id)
        hall.leave()
      },
      end: () => {
        place.close()
        removed()
      },
    }
    hall.places.add(place)
    return place
  }

  /** The user was removed: their places end. */
  end(id: string, user: string): void {
    for (const place of [...(this.#halls.get(id)?.places ?? [])]) if (place.user === user) place.end()
    this.#presence.dismiss(id, user)
  }

  listener(
    recipient: Recipient,
    encoder: Encoder<RoomEvent>,
    skip?: (event: RoomEvent) => boolean,
  ): EventListener<RoomEvent> {
    const missed = (count: number): void => {
      this.missed += count
    }
    return new EventListener(recipient, encoder, missed, skip)
  }

  #hall(id: string): Hall {
    const known = this.#halls.get(id)
    if (known !== undefined) return known
    // Removals are heard from here on, also while nobody listens to events.
    const unfollow = this.#inRoom.follow(id)
    const watch = this.#others?.watch(id)
    const leave = (): void => {
      unfollow()
      watch?.unwatch()
    }
    const hall = { places: new Set<Place>(), ready: watch?.ready, leave }
    this.#halls.set(id, hall)
    return hall
  }
}

/** One's own marker comes to all of one's connections, with the unread count, whether they joined the room or not. */
function ownMarker(user: string): (event: RoomEvent) => boolean {
  return (event) => event.kind === 'read' && event.user === user
}
