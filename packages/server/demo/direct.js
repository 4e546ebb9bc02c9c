// Direct messages: the newest of the past, and what waited for this user or comes now.

import { $, take } from './page.js'
import { Talk } from './talk.js'

export async function openDirect(nitka, user) {
  const talk = new Talk($('direct'))
  const form = $('directForm')

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const to = form.to.value.trim()
    if (to === '') return form.to.focus()
    const text = take(form.text)
    if (text !== '') talk.send(`${to} ${text}`, { label: `to ${to}`, text }, nitka.direct.send(to, text))
  })

  let inbox
  let past
  try {
    inbox = await nitka.direct.open()
    past = (await nitka.direct.history({ limit: 50 })).messages
  } catch (error) {
    return talk.note(error.message)
  }
  const unreadAfter = inbox.marker.read
  let last = 0
  let waited = false

  function show({ offset, fromUser, toUser, message, time, system }) {
    if (offset <= last) return // among the past already
    last = offset
    const from = system ? 'the application' : String(fromUser)
    const own = from === user
    if (own) talk.arrived(`${toUser} ${message}`)
    if (!own && !waited && offset > unreadAfter && offset <= (past.at(-1)?.offset ?? 0)) {
      waited = true
      talk.note('This waited for you:')
    }
    talk.show({ label: own ? `to ${toUser}` : from, own, text: message, time })
    if (!own && !system && form.to.value === '') form.to.value = from
  }

  /** What is looked at is read, in all tabs of the user. */
  function read() {
    $('unread').textContent = document.hidden && last > inbox.marker.read ? 'new' : ''
    if (!document.hidden && last > inbox.marker.read) inbox.read(last).catch(() => {}) // the next one says more
  }

  past.forEach(show)
  inbox.on('message', (message) => {
    show(message)
    read()
  })
  inbox.on('read', read)
  inbox.on('gap', ({ from, to, reason }) => {
    talk.note(`Messages ${from} to ${to} are gone: ${reason}`)
    if (reason === 'history-changed') last = 0 // offsets begin anew
  })
  document.addEventListener('visibilitychange', read)
  read()
}
