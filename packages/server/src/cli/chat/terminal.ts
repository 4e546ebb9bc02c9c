// A chat at a terminal: what comes is written above the line that somebody types, and that line stays as it is.

import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from 'node:readline'

export interface TerminalEvents {
  readonly line: (text: string) => void
  /** Ctrl-C or Ctrl-D. */
  readonly end: () => void
}

export class Terminal {
  readonly #input: Interface
  readonly #output: NodeJS.WriteStream
  #closed = false

  /** @param words what Tab completes at the beginning of a line */
  constructor(events: TerminalEvents, words: readonly string[], output: NodeJS.WriteStream = process.stdout) {
    this.#output = output
    this.#input = createInterface({
      input: process.stdin,
      output,
      prompt: '> ',
      historySize: 100,
      completer: (line: string) => [line.startsWith('/') ? words.filter((word) => word.startsWith(line)) : [], line],
    })
    this.#input.on('line', (text) => {
      events.line(text)
      if (!this.#closed) this.#input.prompt()
    })
    this.#input.on('SIGINT', events.end)
    this.#input.on('close', events.end)
    this.#input.prompt()
  }

  /** Writes lines above the one that is typed. */
  print(lines: readonly string[]): void {
    const text = lines.map((line) => `${line}\n`).join('')
    if (this.#closed) {
      this.#output.write(text)
      return
    }
    const { rows } = this.#input.getCursorPos()
    moveCursor(this.#output, 0, -rows)
    cursorTo(this.#output, 0)
    clearScreenDown(this.#output)
    // The prompt is drawn anew from as many rows further up as it had when it was drawn last.
    const { prevRows = rows } = this.#input as { readonly prevRows?: number }
    this.#output.write(text + '\n'.repeat(prevRows))
    this.#input.prompt(true)
  }

  /** Takes the prompt away, and gives the terminal back. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#output.write('\n')
    this.#input.close()
  }
}
