// The peer of the fan-out: what most people write first. `ws`, a set of sockets, a loop of `send`.

import { createServer } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'

const http = createServer()
const sockets = new Set<WebSocket>()
new WebSocketServer({ server: http, perMessageDeflate: false }).on('connection', (socket) => {
  sockets.add(socket)
  socket.on('close', () => sockets.delete(socket))
  socket.on('error', () => undefined)
  socket.on('message', (data, binary) => {
    for (const other of sockets) if (other !== socket) other.send(data, { binary })
  })
})
http.listen(0, '127.0.0.1', () =>
  console.log(`listens at http://127.0.0.1:${(http.address() as { port: number }).port}`),
)
