/** What a program imports → the file of this project that it gets. */
export const entries = {
  nitka: 'packages/server/src/index.ts',
  'nitka/testing': 'packages/server/testing/index.ts',
  '@nitka/client': 'packages/client/src/index.ts',
  '@nitka/client/tcp': 'packages/client/src/tcp.ts',
}
