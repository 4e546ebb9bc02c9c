// The peer of direct messages: `ws` and a table in SQLite (WAL, synchronous=FULL), a transaction a message, `ok` when it
// is stored, then delivered.

import { createServer } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import { type WebSocket, WebSocketServer } from 'ws'

const database = new DatabaseSync(`${process.argv[2]}/messages.db`)
database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
database.exec(
  'CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, sender TEXT, receiver TEXT, body TEXT, time INTEGER)',
)
const insert = database.prepare('INSERT INTO messages (sender, receiver, body, time) VALUES (?, ?, ?, ?)')
const users = new Map<string, WebSocket>()
const http = createServer()
new WebSocketServer({ server: http, perMessageDeflate: false }).on('connection', (socket, request) => {
  users.set(new URL(request.url ?? '', 'http://x').searchParams.get('user') ?? '', socket)
  socket.on('error', () => undefined)
  socket.on('message', (data) => {
    const { fromUser, toUser, message } = JSON.parse(data.toString())
    const time = Date.now()
    const { lastInsertRowid } = insert.run(String(fromUser), String(toUser), JSON.stringify(message), time)
    socket.send('ok')
    users.get(String(toUser))?.send(JSON.stringify({ fromUser, toUser, message, id: String(lastInsertRowid), time }))
  })
})
http.listen(0, '127.0.0.1', () =>
  console.log(`listens at http://127.0.0.1:${(http.address() as { port: number }).port}`),
)
