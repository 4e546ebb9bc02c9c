// Colours, for people at a terminal: none into a pipe or a file, unless FORCE_COLOR says so, and none with NO_COLOR.

import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** `text` in this style when `stream` shows it to a person. */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream })
}
