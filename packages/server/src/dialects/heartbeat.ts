// The word by which a client of any dialect asks whether somebody is there; the answer is the same word.

/** Whether the client asks if somebody is there. */
export function isHeartbeat(text: Buffer): boolean {
  return text.length === 9 && text.toString('latin1') === 'heartbeat'
}
