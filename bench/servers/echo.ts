// A raw echo of newline-JSON on node:net: parsed, answered, and the answers of one read in one write. What a server without
// types, queues, limits and timeouts can do.

import { createServer } from 'node:net'

const server = createServer((socket) => {
  let rest = ''
  socket.setNoDelay(true)
  socket.setEncoding('utf8')
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    let answers = ''
    for (const line of lines) {
      const { type, queryIndex, payload } = JSON.parse(line)
      answers += `${JSON.stringify({ type, queryIndex, resultJob: payload })}\n`
    }
    if (answers !== '') socket.write(answers)
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object' && address !== null) console.log(`listens at tcp://127.0.0.1:${address.port}`)
})
