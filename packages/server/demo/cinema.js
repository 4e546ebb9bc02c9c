// A cinema: seats of a pool, held for a while. Everybody sees who holds what; the holds of a tab end with it.

import { $, element, hueOf, showItems, watch } from './page.js'

const pool = 'cinema'
const seats = ['A', 'B', 'C'].flatMap((row) => Array.from({ length: 8 }, (_, i) => `${row}${i + 1}`))
const ttl = 20_000

export function openCinema(nitka, user) {
  /** The holds of this tab, by id. */
  const own = new Map()
  const changes = nitka.relay(pool)
  const refresh = watch(async () => {
    try {
      showPool(await nitka.pools.status(pool))
    } catch (error) {
      $('free').textContent = error.code === 'not-found' ? 'no cinema here; `nitka demo` has one' : error.message
    }
  })
  // The pool is asked once a second; that something has changed is told at once.
  changes.on('message', refresh)
  const changed = (text) => {
    $('heard').textContent = text
    changes.publish('changed')
    refresh()
  }

  async function take(count) {
    try {
      const hold = await nitka.pools.acquire(pool, { count, ttl, timeoutMs: 10_000 })
      own.set(hold.id, hold)
      hold.signal.addEventListener('abort', () => {
        own.delete(hold.id)
        changed(`Your time for ${namesOf(hold)} is over.`)
      })
      changed(
        count === 1
          ? 'The seat is yours. Closing the tab frees it.'
          : `${count} seats are yours. Closing the tab frees them.`,
      )
    } catch (error) {
      $('heard').textContent =
        error.code === 'busy' ? `There are no ${count} free, and it is all or none.` : error.message
    }
  }

  function release(hold) {
    own.delete(hold.id)
    hold.release().then(
      () => changed(`${namesOf(hold)}: given back.`),
      (error) => changed(error.message),
    )
  }

  $('seats').append(...seats.map((seat) => element('li', {}, element('b', {}, seat), element('span'))))
  for (const button of $('hold').querySelectorAll('button')) {
    button.addEventListener('click', () => take(Number(button.dataset.count)))
  }
  setInterval(() => showTimes(own), 250)
  showPool({ holds: [] })

  function showPool({ free, total, holds }) {
    if (total !== undefined) $('free').textContent = `${free} of ${total} free`
    const seated = new Map(holds.flatMap((hold) => hold.resources.map((seat) => [seat, hold])))
    seats.forEach((seat, i) => {
      showSeat($('seats').children[i], seated.get(seat), user)
    })
    // Own ones first. One that was seen before its answer came becomes another item, with a button.
    const sorted = holds.toSorted((a, b) => own.has(b.hold) - own.has(a.hold))
    const byKey = new Map(sorted.map((hold) => [`${hold.hold} ${own.has(hold.hold) ? 'own' : ''}`, hold]))
    showItems($('holds'), [...byKey.keys()], (key) => {
      const hold = byKey.get(key)
      return holdItem(hold, { user, own: own.get(hold.hold), release })
    })
    showTimes(own)
  }
}

function showSeat(item, hold, user) {
  item.className = hold === undefined ? '' : hold.user === user ? 'held own' : 'held'
  item.title = hold === undefined ? 'free' : `held by ${hold.user}`
  item.style.setProperty('--hue', hueOf(hold?.user ?? ''))
  item.lastChild.textContent = hold === undefined ? '' : hold.user === user ? 'you' : hold.user
}

function holdItem({ hold: id, user: holder, resources, token }, { user, own, release }) {
  const who = element('b', {}, holder === user ? 'you' : holder)
  const item = element(
    'li',
    {},
    element('p', {}, who, ` ${resources.join(', ')} `, element('span', {}, `token ${token}`)),
  )
  item.style.setProperty('--hue', hueOf(holder))
  if (own === undefined) return item
  const button = element('button', { type: 'button', ariaLabel: `Release ${resources.join(', ')}` }, 'Release')
  button.addEventListener('click', () => release(own))
  item.append(element('time', {}), button)
  item.lastChild.previousSibling.dataset.hold = id
  return item
}

/** How long the holds of this tab last, as the library counts it. */
function showTimes(own) {
  for (const time of $('holds').querySelectorAll('time')) {
    time.textContent = `${Math.ceil((own.get(time.dataset.hold)?.leftMs ?? 0) / 1_000)} s`
  }
}

function namesOf({ resources }) {
  return resources.map(({ id }) => id).join(', ')
}
