// A program that closes its client while the server takes nothing: it has to end by itself.

import { connect } from '../src/tcp.ts'

const nitka = connect(process.argv[2] ?? '')
if (process.argv[3] === 'live') {
  await nitka.ready()
  for (let i = 0; i < 16; i++) nitka.requests.call('none', 'x'.repeat(900_000)).catch(() => undefined)
}
nitka.close()
