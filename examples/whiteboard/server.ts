// A whiteboard for whoever opens the page. The server passes strokes on and keeps nothing.

import { createServer } from 'nitka'

const server = await createServer(
  { port: Number(process.env.PORT ?? 8080), data: process.env.DATA ?? './data/whiteboard', socketHost: '' },
  { page: new URL('index.html', import.meta.url) },
)
console.log(`Open ${server.url} in two windows side by side, and draw. Ctrl-C ends it.`)
