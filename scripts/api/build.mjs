// `npm run docs:api`: the reference of what the packages export, as HTML in docs/api. TypeDoc needs a TypeScript that
// programs can call, which the one that checks this project is not; so it is a package of its own with its own lock,
// installed when it is asked for. Ends with 1 when something public has no docstring, or a link leads nowhere.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { entries } from './entries.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../..')

/** What must have a docstring. A property may go without when its name says all. */
const documented = ['Class', 'Interface', 'Function', 'TypeAlias', 'Variable', 'Method', 'Accessor']

if (!existsSync(join(here, 'node_modules/typedoc'))) {
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here, stdio: 'inherit' })
}
const { Application, ReflectionKind } = await import('typedoc')

const app = await Application.bootstrap({
  name: 'Nitka',
  entryPoints: Object.values(entries).map((path) => join(root, path)),
  tsconfig: join(here, 'tsconfig.json'),
  out: join(root, 'docs/api'),
  readme: 'none',
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  disableSources: true,
  hideGenerator: true,
  githubPages: false,
  requiredToBeDocumented: documented,
  packagesRequiringDocumentation: ['nitka', '@nitka/client', '@nitka/protocol'],
  validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: true },
})
const project = await app.convert()
if (project === undefined) process.exit(1)
for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
  // TypeDoc names a module by its path; readers know it by what they import.
  const name = Object.keys(entries).find((key) => modulePath(entries[key]) === module.name)
  if (name === undefined) throw new Error(`${module.name} is none of ${Object.keys(entries)}`)
  module.name = name
}
app.validate(project)
await app.generateOutputs(project)
process.exit(app.logger.hasErrors() || app.logger.hasWarnings() ? 1 : 0)

/** `packages/client/src/tcp.ts` is `client/src/tcp`, and an index its folder. */
function modulePath(file) {
  return file.replace(/^packages\//, '').replace(/(\/index)?\.ts$/, '')
}
