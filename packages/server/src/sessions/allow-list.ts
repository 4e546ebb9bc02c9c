// What a token may permit: a list of actions, `tasks.work`, `admin.*`, `*`, each with a target if it is meant for that alone:
// `rooms.join:lobby`, `pools.acquire:desk-*`. A `*` ends an action or a target and stands for any rest.

/** What an ordinary user's token permits that says nothing: to talk and to ask. Nothing that the application does itself. */
const ordinary: readonly string[] = ['relay.join', 'rooms.*', 'direct.*', 'requests.call']

/** The entry that stands for all of these, in a list with others. */
const ordinaryName = 'user'

/** Entries that a list may have. */
const entriesMax = 256

/** The claim `nitka` as a list; undefined: it is none. Absent, it is what an ordinary user may. */
export function readAllowList(claim: unknown): readonly string[] | undefined {
  if (claim === undefined) return ordinary
  if (!Array.isArray(claim) || claim.length > entriesMax) return undefined
  const entries: string[] = []
  for (const entry of claim) {
    if (typeof entry !== 'string') return undefined
    if (entry === ordinaryName) entries.push(...ordinary)
    else entries.push(entry)
  }
  return entries
}

/** Whether one of the entries permits the action on the target. An entry without a target permits it on all. */
export function allows(entries: readonly string[], action: string, target: string): boolean {
  return entries.some((entry) => {
    const colon = entry.indexOf(':')
    if (colon < 0) return matches(entry, action)
    return matches(entry.slice(0, colon), action) && matches(entry.slice(colon + 1), target)
  })
}

function matches(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : pattern === text
}
