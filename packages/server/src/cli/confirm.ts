// Asking before something that cannot be undone.

import { createInterface } from 'node:readline/promises'
import { printable } from './server-call.ts'

/**
 * Whether the person at the terminal typed `word`, or `--yes` was given.
 * @param sentence what is about to happen
 */
export async function confirmed(
  { on }: { readonly on: ReadonlySet<string> },
  sentence: string,
  word: string,
): Promise<boolean> {
  if (on.has('yes')) return true
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // Ctrl-D is no answer.
  const gone = new Promise<string>((resolve) => terminal.once('close', () => resolve('')))
  const asking = terminal.question(printable(`${sentence} Type ${word} to go on: `))
  const answer = await Promise.race([asking, gone]).catch(() => '')
  terminal.close()
  if (answer.trim() === word) return true
  console.error('nitka: nothing was done')
  return false
}
