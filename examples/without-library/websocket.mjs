// Two users over the WebSocket of Node 22 and later, or of any browser:  node websocket.mjs [ws://127.0.0.1:8080]

const url = process.argv[2] ?? 'ws://127.0.0.1:8080'

const anna = new WebSocket(`${url}/ws?user=anna`)
anna.onopen = () => anna.send(JSON.stringify({ fromUser: 'anna', toUser: 'bert', message: 'hello' }))
anna.onmessage = ({ data }) => {
  console.log(`anna is told: ${data}`) // ok: the message is on disk
  anna.close()

  // Bert comes when Anna has gone. What waited for him comes first.
  const bert = new WebSocket(`${url}/ws?user=bert`)
  bert.onmessage = ({ data }) => {
    const { fromUser, message } = JSON.parse(data)
    console.log(`bert hears ${fromUser} say: ${message}`)
    bert.close()
  }
}
