// A room: its past, what comes, who is there and who is typing.

import { $, element, take } from './page.js'
import { Talk } from './talk.js'

const id = 'lobby'
const typingMs = 2_500

export async function openRoom(nitka, user) {
  const talk = new Talk($('room'))
  let toldAt = Number.NEGATIVE_INFINITY

  $('roomForm').addEventListener('submit', (event) => {
    event.preventDefault()
    const text = take(event.target.text)
    if (text === '') return
    toldAt = Number.NEGATIVE_INFINITY
    // Sent as soon as there is a connection, and stored once, however often that breaks.
    const clientId = `${Date.now()}-${Math.random()}`
    talk.send(clientId, { label: user, text }, nitka.rooms.send(id, text, { clientId }))
  })

  let room
  try {
    room = await nitka.rooms.join(id, { history: 50 })
  } catch (error) {
    return talk.note(error.code === 'not-found' ? 'This server has no lobby; `nitka demo` makes one.' : error.message)
  }
  room.on('message', ({ from, message, time, clientId }) => {
    talk.arrived(clientId)
    talk.show({ label: from || 'the application', own: from === user, text: message, time })
    showTyping('')
  })
  room.on('gap', ({ from, to, reason }) => talk.note(`Messages ${from} to ${to} are gone: ${reason}`))
  room.on('signal', ({ from }) => from !== user && showTyping(from))
  room.on('presence', () => showPresent(room, user))
  room.on('left', ({ error }) => talk.note(error?.message ?? 'left'))
  showPresent(room, user)
  $('roomForm').text.addEventListener('input', () => {
    if (nitka.state !== 'live' || performance.now() - toldAt < typingMs / 2) return
    toldAt = performance.now()
    room.signal('typing').catch(() => {}) // not stored, so not worth a word
  })
}

async function showPresent(room, user) {
  const others = [...room.presence].filter((name) => name !== user).sort()
  const names = ['you', ...others.slice(0, 4), ...(others.length > 4 ? ['…'] : [])].join(', ')
  $('people').replaceChildren(...[...new Set([...others, 'ola'])].map((value) => element('option', { value })))
  const { members, next } = await room.members({ limit: 500 }).catch(() => ({ members: [], next: null }))
  const count = members.length === 0 ? '' : ` of ${members.length}${next === null ? '' : ' or more'} members`
  $('present').textContent = `${others.length + 1}${count} here: ${names}`
  $('present').title = members.map((member) => member.user).join(', ')
}

let typing
function showTyping(name) {
  clearTimeout(typing)
  $('typing').textContent = name === '' ? '' : `${name} is typing…`
  typing = setTimeout(() => showTyping(''), typingMs)
}
