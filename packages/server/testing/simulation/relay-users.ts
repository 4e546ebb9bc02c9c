// Clients of relay channels, plain, with text and bytes, some of whom read slowly.

import { User } from './user.ts'
import { WebSocketClient } from './web-socket.ts'

export class RelayClient extends User {
  get pending(): string {
    return ''
  }

  protected async visit(): Promise<void> {
    const { simulation, chance, name } = this
    const { history, plan } = simulation
    const channel = chance.pick(plan.relay.channels)
    const client = await WebSocketClient.open(simulation, `/relay/${channel}?user=${name}`, (opened) => {
      opened.onMessage = (payload, binary) => {
        const at = simulation.now
        history.relayed.push({
          kind: 'heard',
          at,
          channel,
          connection: opened.number,
          text: payload.toString(),
          binary,
        })
        simulation.note(name, `relayed ${payload.toString('latin1', 0, 30)}`)
      }
    })
    const connection = client.number
    this.leaving = (politely) => (politely ? client.close() : client.line.reset())
    const until = (): number => client.line.brokenAt ?? Number.POSITIVE_INFINITY
    history.relayPlaces.push({ channel, connection, from: simulation.now, until })
    const slow = chance.percent(plan.slowPercent)
    const leaves = simulation.now + chance.between(2_000, 20_000)
    for (let number = 1; !client.closed; ) {
      // Once nothing fails any more, little is sent, and all of it must arrive.
      const most = this.busy ? chance.between(2, 30) : 1
      for (let burst = chance.percent(30) ? most : 1; burst > 0 && simulation.phase !== 'over'; burst--) {
        const length = this.busy ? chance.between(0, plan.relay.bytes) : 0
        const text = `${connection} ${number++} ${'.'.repeat(length)}`
        const binary = chance.percent(30)
        history.relayed.push({ kind: 'sent', at: simulation.now, channel, connection, text, binary })
        client.send(binary ? Buffer.from(text) : text)
      }
      if (slow && this.busy) {
        client.line.pause()
        await simulation.sleep(chance.between(100, 8_000))
        client.line.resume()
      }
      await this.pause()
      if (this.busy && simulation.now > leaves) client.close()
    }
  }
}
