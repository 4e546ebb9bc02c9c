// nitka doctor: looks at everything that a server needs, and says what to do about what is wrong. Mends nothing.

import { withDotEnv } from '../dot-env.ts'
import { type Clock, realClock } from '../world.ts'
import { type Command, readArguments } from './command.ts'
import { clusterFindings } from './doctor/cluster.ts'
import { dataFindings } from './doctor/data.ts'
import { type Finding, warn } from './doctor/finding.ts'
import { clockFinding, filesFinding, memoryFinding, nodeFinding } from './doctor/machine.ts'
import { portFindings } from './doctor/ports.ts'
import { dotEnvFindings, environmentFindings, settingFindings } from './doctor/settings.ts'
import { styled } from './style.ts'
import { usage } from './usage.ts'

/** Longer than that no one look may take: a disk that hangs is one of the things to be told. */
const patienceMs = 30_000
const colours = { ok: 'green', warn: 'yellow', fail: 'red' } as const

export async function doctor(args: readonly string[], { flags }: Command): Promise<number> {
  const environment = environmentFindings(withDotEnv(process.env))
  const asked = usage(() => readArguments(args, flags, 0, environment.usable))
  if (asked === undefined) return 2
  const { config, on } = asked
  const ports = portFindings(config)
  const [found, data, clock] = await Promise.all([
    inTime(
      realClock,
      'ports',
      ports.then(({ findings }) => findings),
    ),
    inTime(
      realClock,
      'store',
      config.postgresUrl === ''
        ? dataFindings(
            config,
            realClock,
            ports.then(({ served }) => served),
          )
        : clusterFindings(config, realClock),
    ),
    clockFinding(realClock),
  ])
  const findings: Finding[] = [
    nodeFinding(),
    ...environment.findings,
    ...dotEnvFindings(),
    ...settingFindings(config),
    ...data,
    ...found,
    filesFinding(config),
    memoryFinding(config),
    clock,
  ]
  const failed = findings.some(({ state }) => state === 'fail')
  if (on.has('json')) console.log(JSON.stringify({ ok: !failed, findings }))
  else for (const line of lines(findings)) console.log(line)
  return failed ? 1 : 0
}

function inTime(clock: Clock, check: string, work: Promise<Finding[]>): Promise<Finding[]> {
  const late = new Promise<Finding[]>((resolve) => {
    clock.after(patienceMs, () => {
      const says = `no answer within ${patienceMs / 1_000} s`
      resolve([warn(check, says, 'see whether the disk hangs; a large store is verified by `nitka check`')])
    })
  })
  return Promise.race([work, late])
}

function lines(findings: readonly Finding[]): string[] {
  const wide = Math.max(...findings.map(({ check }) => check.length))
  const told = findings.flatMap(({ check, state, says, todo }) => {
    const line = `${styled(colours[state], state.padEnd(4))}  ${check.padEnd(wide)}  ${says}`
    return todo === undefined ? [line] : [line, `${' '.repeat(wide + 8)}→ ${todo}`]
  })
  const count = (state: Finding['state']): number => findings.filter((one) => one.state === state).length
  return [...told, '', `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed`]
}
