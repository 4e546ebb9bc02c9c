// Waiting for something that no message announces.

/** Long enough for processes to start on a machine that does other things, too. Milliseconds. */
export const startPatience = 60_000

/** Resolves once `condition` holds; fails after `patience` milliseconds. Never decides a test that passes. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string,
  patience = startPatience,
): Promise<void> {
  const deadline = performance.now() + patience
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited too long for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
