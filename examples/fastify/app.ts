// A shop on Fastify, and Nitka below one of its paths. The shop knows who is who, and tells its customers what happens.

import Fastify from 'fastify'
import { type Authenticator, type Authorize, createServer, NitkaError } from 'nitka'

/** Sessions of the shop: what its customers show, and who they are. */
const sessions = new Map([
  ['session-of-anna', 'anna'],
  ['session-of-bert', 'bert'],
])
const staff = new Set(['bert'])

/** Asked once a connection, and for each HTTP request that is Nitka's. */
const authenticator: Authenticator = {
  required: true,
  async identify({ authorization, token }) {
    const shown = authorization?.replace('Bearer ', '') ?? token
    if (shown === undefined) return undefined // a client says it in its first call
    const user = sessions.get(shown)
    if (user === undefined) throw new NitkaError('unauthenticated', 'log in first')
    return { user }
  },
}

/** Asked before every action: the room of the staff is for the staff. */
const authorize: Authorize = (user, action, target) => {
  if (action.startsWith('admin.')) return false
  return target !== 'staff' || staff.has(user)
}

const app = Fastify()
const nitka = await createServer(
  { data: process.env.DATA ?? './data/fastify', socketHost: '' },
  { attach: { server: app.server, path: '/nitka' }, authenticator, authorize },
)
// Before the app closes: it would wait for the open WebSockets.
app.addHook('preClose', () => nitka.stop(1_000))

app.get('/', async () => 'The shop is open.')

app.post<{ Params: { order: string }; Body: { customer: string } }>('/orders/:order/ship', async ({ params, body }) => {
  const message = `Order ${params.order} is on its way`
  // On disk when this resolves; the id makes a repeated request harmless.
  await nitka.direct.sendSystem({ toUser: body.customer, message, data: params }, `shipped-${params.order}`)
  return { shipped: params.order }
})

process.once('SIGTERM', () => void app.close())
await app.listen({ port: Number(process.env.PORT ?? 3000) })
console.log(`The shop is at ${new URL('/', nitka.url)}, and Nitka at ${nitka.url}`)
