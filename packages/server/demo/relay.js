// The relay: words and strokes for whoever is there now. What is published without a connection is lost, and said to be.

import { $, hueOf, take } from './page.js'
import { Talk } from './talk.js'

const linesMax = 5_000

export function openRelay(nitka, user) {
  const channel = nitka.relay('demo')
  const talk = new Talk($('relay'))
  const draw = openBoard()

  // Anybody may say anything here, a plain WebSocket too.
  channel.on('message', ({ message }) => {
    const { from, text, line, hue } = Object(message)
    if (Array.isArray(line)) draw({ line, hue })
    else talk.show({ label: String(from ?? 'somebody'), text: text ?? message })
  })
  $('relayForm').addEventListener('submit', (event) => {
    event.preventDefault()
    const text = take(event.target.text)
    if (text === '') return
    if (channel.publish({ from: user, text })) talk.show({ label: user, own: true, text })
    else talk.note('Not sent: there is no connection, and the relay keeps nothing.')
  })

  let last
  const place = ({ offsetX, offsetY }) =>
    [offsetX / $('canvas').clientWidth, offsetY / $('canvas').clientHeight].map((one) => Math.round(one * 1e4) / 1e4)
  $('canvas').addEventListener('pointerdown', (event) => {
    last = place(event)
    $('canvas').setPointerCapture(event.pointerId)
  })
  for (const name of ['pointerup', 'pointercancel']) {
    $('canvas').addEventListener(name, () => {
      last = undefined
    })
  }
  $('canvas').addEventListener('pointermove', (event) => {
    if (last === undefined) return
    const next = place(event)
    const stroke = { line: [...last, ...next], hue: hueOf(user) }
    last = next
    draw(stroke)
    channel.publish(stroke)
  })
}

/** Returns how to draw a line, in parts of the board's width and height. What was drawn survives another size. */
function openBoard() {
  const canvas = $('canvas')
  const pen = canvas.getContext('2d')
  const lines = []
  function stroke({ line: [x0, y0, x1, y1], hue }) {
    pen.strokeStyle = `hsl(${Number(hue) || 0} 60% 50%)`
    pen.beginPath()
    pen.moveTo(x0 * canvas.width, y0 * canvas.height)
    pen.lineTo(x1 * canvas.width, y1 * canvas.height)
    pen.stroke()
  }
  new ResizeObserver(() => {
    canvas.width = canvas.clientWidth * devicePixelRatio
    canvas.height = canvas.clientHeight * devicePixelRatio
    pen.lineWidth = 2.5 * devicePixelRatio
    pen.lineCap = 'round'
    lines.forEach(stroke)
  }).observe(canvas)
  return (line) => {
    $('board').className = 'drawn'
    if (lines.push(line) > linesMax) lines.shift()
    stroke(line)
  }
}
