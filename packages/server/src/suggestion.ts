// What somebody may have meant.

/** `; did you mean …?` with the nearest of `known`, nothing when none is near. `prefix`: what stands before each. */
export function suggestion(wrong: string, known: readonly string[], prefix = ''): string {
  const best = known
    .map((name) => ({ name, steps: distance(wrong.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.steps - b.steps)[0]
  return best !== undefined && best.steps <= Math.max(2, wrong.length / 3)
    ? `; did you mean ${prefix}${best.name}?`
    : ''
}

/** Edit distance (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const above = row
    row = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, swap))
    }
  }
  return row[b.length] ?? 0
}
