// The options: names that nobody knows, and combinations that are rarely meant.

import { existsSync, readFileSync } from 'node:fs'
import { NitkaError } from '@nitka/protocol'
import { type Config, configureProcess } from '../../config.ts'
import { environmentName, type OptionName, options } from '../../options.ts'
import { isLoopback } from '../../sessions/origin.ts'
import { suggestion } from '../../suggestion.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** One alone is a fault, so they are looked at together. */
const clusterNames = [environmentName('postgresUrl'), environmentName('natsUrl')]
const known: ReadonlySet<string> = new Set((Object.keys(options) as OptionName[]).map(environmentName))

/**
 * Every name of the environment on its own, so that one wrong one does not hide what else there is to say. Gives what is
 * left without the wrong ones.
 */
export function environmentFindings(environment: Environment): { findings: Finding[]; usable: Environment } {
  const findings: Finding[] = []
  const usable: Record<string, string | undefined> = { ...environment }
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || !(name.startsWith('NITKA_') || name.startsWith('SOCKET_'))) continue
    const pair = clusterNames.includes(name) ? clusterNames : [name]
    const wrong = faultOf(Object.fromEntries(pair.map((one) => [one, environment[one]])))
    if (wrong === undefined) continue
    delete usable[name]
    findings.push(fail('environment', wrong, `correct or unset ${name}; the server does not start like that`))
  }
  return { findings, usable }
}

function faultOf(environment: Environment): string | undefined {
  try {
    configureProcess({}, environment)
    return undefined
  } catch (error) {
    if (error instanceof NitkaError) return error.message
    throw error
  }
}

/** Lines of `.env` that say nothing to the server, though they may have been meant to. */
export function dotEnvFindings(path = '.env'): Finding[] {
  if (!existsSync(path)) return []
  let lines: string[]
  try {
    lines = readFileSync(path, 'utf8').split('\n')
  } catch (error) {
    return [warn('.env', `it cannot be read: ${(error as Error).message}`, 'change its owner or its permissions')]
  }
  const findings = lines.flatMap((line, i): Finding[] => {
    if (/^\s*(#|$)/.test(line)) return []
    const name = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=/.exec(line)?.[1]
    const where = `line ${i + 1}`
    if (name === undefined) return [warn('.env', `${where} is not read`, 'write NAME=value')]
    if (name !== name.toUpperCase()) return [warn('.env', `${where}: ${name} is not read`, 'write it in capitals')]
    if (name.startsWith('NITKA_') || known.has(name)) return []
    const near = /^N?I?T?KA?_|^[A-Z]{4,6}_/.test(name) ? suggestion(name, [...known]) : ''
    return near === '' ? [] : [warn('.env', `${where}: ${name} is not an option${near}`, 'correct the name')]
  })
  return findings.length === 0 ? [ok('.env', 'every name in it is known, or is none of ours')] : findings
}

export function settingFindings(config: Config): Finding[] {
  const findings = [...openFindings(config), ...safetyFindings(config), ...fileFindings(config)]
  return findings.length === 0 ? [ok('options', 'no combination that is unsafe')] : findings
}

function openFindings({ host, socketHost, allowOpen, hosts, origins }: Config): Finding[] {
  const findings: Finding[] = []
  const open = [host, socketHost].filter((one) => !isLoopback(one) && !one.includes('/'))
  for (const one of new Set(open)) {
    const says = `${one} can be reached from other machines, and nobody is asked who they are`
    findings.push(
      allowOpen
        ? warn('options', says, 'put something in front of it that asks, or use 127.0.0.1')
        : fail('options', `${says}: the server refuses to start`, 'use 127.0.0.1, or --allow-open if that is meant'),
    )
  }
  if (origins.includes('*') || hosts.includes('*')) {
    const says = 'any web page that a user visits may talk to this server'
    findings.push(warn('options', says, 'name the pages in --origins and the names in --hosts instead of *'))
  }
  return findings
}

function safetyFindings({ durability, acceptLoss, reserveBytes, webhookUrl, webhookSecret }: Config): Finding[] {
  const findings: Finding[] = []
  if (durability === 'relaxed') {
    const says = 'durability is relaxed: what was confirmed may be lost with the machine'
    findings.push(warn('options', says, 'use disk, in a new folder, unless that is meant'))
  }
  if (acceptLoss) findings.push(warn('options', 'accept-loss is set for good', 'set it for one start, then remove it'))
  if (reserveBytes === 0) {
    findings.push(
      warn('options', 'nothing is kept in reserve on the disk', 'a full disk ends the server; set a reserve'),
    )
  }
  if (webhookUrl !== '' && webhookSecret === '') {
    findings.push(warn('options', 'posts to the webhook are not signed', 'set NITKA_WEBHOOK_SECRET'))
  }
  return findings
}

function fileFindings({ socketCert, socketKey, executors }: Config): Finding[] {
  const findings: Finding[] = []
  if ((socketCert === '') !== (socketKey === '')) {
    findings.push(fail('options', 'socket-cert and socket-key go together', 'set both, or neither'))
  }
  for (const path of [socketCert, socketKey, executors]) {
    if (path !== '' && !existsSync(path)) findings.push(fail('options', `there is no file ${path}`, 'correct the path'))
  }
  return findings
}
