// A chat in the browser: one server, one page. The page gets the client library from the server, at /nitka.js.

import { createServer } from 'nitka'

const server = await createServer(
  { port: Number(process.env.PORT ?? 8080), data: process.env.DATA ?? './data/browser-chat', socketHost: '' },
  { page: new URL('index.html', import.meta.url) },
)
console.log(`Open ${server.url} in two tabs and chat. Ctrl-C ends it; whatever was sent is on disk.`)
