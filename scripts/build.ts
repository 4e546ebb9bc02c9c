// `npm run build`: what is published, in dist/nitka and dist/client, each ready for `npm publish`. Both carry the protocol
// inside, and the server's commands the client, so that there is nothing else to install, and no version to get wrong.

import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleClient } from './browser-client.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

interface Manifest {
  version: string
  exports: Record<string, string>
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  [field: string]: unknown
}

function manifestOf(name: string): Manifest {
  return JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'))
}

/** Compiles everything once; what the packages need is taken from there. */
function compile(into: string): void {
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json', '--outDir', into], {
    cwd: root,
    stdio: 'inherit',
  })
}

/** A path from a file of a package, as an import wants it. */
function importPath(file: string, folder: string): string {
  const path = relative(dirname(file), folder)
  return path.startsWith('.') ? path : `./${path}`
}

/** Imports of the protocol and the client become imports of the copies inside. */
function pointInside(out: string): void {
  for (const file of globSync('**/*.{js,d.ts}', { cwd: out })) {
    const path = join(out, file)
    const inside = importPath(file, 'protocol')
    const text = readFileSync(path, 'utf8')
      .replaceAll(/(['"])@nitka\/client\1/g, `'${importPath(file, 'client')}/index.js'`)
      .replaceAll(/(['"])@nitka\/protocol\/schemas\1/g, `'${inside}/schemas/index.js'`)
      .replaceAll(/(['"])@nitka\/protocol\1/g, `'${inside}/index.js'`)
      .replaceAll(/(new URL\('[^']+)\.ts', import\.meta\.url\)/g, "$1.js', import.meta.url)")
    writeFileSync(path, text)
  }
}

/** `./src/index.ts` is `./src/index.js`, with its types. */
function published(exports: Manifest['exports']): Record<string, object> {
  return Object.fromEntries(
    Object.entries(exports).map(([name, source]) => {
      const types = source.replace(/\.ts$/, '.d.ts')
      return [name, { types, default: source.replace(/\.ts$/, '.js') }]
    }),
  )
}

/** Fills `dist/<folder>` from a package. `server`: it loads the protocol's schemas, and its commands the client. */
function stage(name: string, folder: string, compiled: string, server: boolean): Manifest {
  const out = join(root, 'dist', folder)
  rmSync(out, { recursive: true, force: true })
  cpSync(join(compiled, name), out, { recursive: true })
  if (server) cpSync(join(compiled, 'client/src'), join(out, 'client'), { recursive: true })
  cpSync(join(compiled, 'protocol/src'), join(out, 'protocol'), {
    recursive: true,
    filter: (path) => server || !path.includes('/schemas'),
  })
  pointInside(out)
  for (const file of globSync('src/**/*.sql', { cwd: join(root, 'packages', name) })) {
    cpSync(join(root, 'packages', name, file), join(out, file))
  }
  cpSync(join(root, 'packages', name, 'README.md'), join(out, 'README.md'))
  for (const file of ['LICENSE', 'CHANGELOG.md']) cpSync(join(root, file), join(out, file))
  const { devDependencies: _, dependencies = {}, exports, ...manifest } = manifestOf(name)
  for (const inside of ['@nitka/protocol', '@nitka/client']) delete dependencies[inside]
  return { ...manifest, dependencies, exports: published(exports) as never, files: ['src', 'protocol'] }
}

function write(folder: string, manifest: Manifest): void {
  writeFileSync(join(root, 'dist', folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
}

/** Builds both packages. Returns their folders. */
export async function build(): Promise<{ readonly nitka: string; readonly client: string }> {
  const compiled = join(root, 'dist/compiled')
  rmSync(compiled, { recursive: true, force: true })
  compile(compiled)
  const browser = await bundleClient(undefined)

  const client = stage('client', 'client', compiled, false)
  writeFileSync(join(root, 'dist/client/nitka.js'), browser)
  Object.assign(client.exports, { './browser': './nitka.js' })
  write('client', { ...client, dependencies: {}, files: ['src', 'protocol', 'nitka.js'] })

  const server = stage('server', 'nitka', compiled, true)
  const out = join(root, 'dist/nitka')
  mkdirSync(join(out, 'browser'))
  writeFileSync(join(out, 'browser/nitka.js'), browser)
  cpSync(join(root, 'packages/server/demo'), join(out, 'demo'), { recursive: true })
  mkdirSync(join(out, 'bin'))
  const bin = readFileSync(join(root, 'packages/server/bin/nitka.mjs'), 'utf8').replaceAll(
    '../src/main.ts',
    '../src/main.js',
  )
  writeFileSync(join(out, 'bin/nitka.mjs'), bin, { mode: 0o755 })
  write('nitka', {
    ...server,
    dependencies: { ...server.dependencies, ...manifestOf('protocol').dependencies },
    files: ['src', 'testing', 'protocol', 'client', 'bin', 'browser', 'demo'],
  })
  rmSync(compiled, { recursive: true })
  return { nitka: out, client: join(root, 'dist/client') }
}

if (import.meta.main) {
  const { nitka, client } = await build()
  console.log(`build: ${relative(root, nitka)} and ${relative(root, client)}`)
}
