// The page: who one is, one connection for all five services, and how it stands.

import { openCinema } from './cinema.js'
import { openDirect } from './direct.js'
import { connect } from './nitka.js'
import { $ } from './page.js'
import { openQuotes } from './quotes.js'
import { openRelay } from './relay.js'
import { openRoom } from './room.js'
import { openTasks } from './tasks.js'

const names = ['otter', 'heron', 'birch', 'amber', 'maple', 'finch', 'cedar', 'robin', 'hazel', 'linden']
const any = (count) => Math.floor(Math.random() * count)
const given = new URLSearchParams(location.search).get('user') || sessionStorage.getItem('user')
const user = given || `${names[any(names.length)]}-${10 + any(90)}`
sessionStorage.setItem('user', user)
$('name').value = user
$('name').addEventListener('change', () => {
  const name = $('name').value.trim()
  $('name').value = name || user
  if (name !== '' && name !== user) location.search = `?user=${encodeURIComponent(name)}`
})

// Whoever stops the demo's server and starts it again looks at the page meanwhile.
const nitka = connect(`./?user=${encodeURIComponent(user)}`, { retryMaxMs: 2_000 })
let was = 'connecting'
nitka.on('state', ({ state, error }) => {
  if (state === 'live') was = 'reconnecting'
  $('state').textContent = state === 'live' ? 'live' : state === 'closed' ? (error?.message ?? state) : was
  document.body.classList.toggle('live', state === 'live')
  $('state').className = state
})

openRoom(nitka, user)
openDirect(nitka, user)
openRelay(nitka, user)
openCinema(nitka, user)
openQuotes(nitka)
openTasks(nitka)
