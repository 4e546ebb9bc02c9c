// nitka help.

import { environmentName, flagName, type OptionName, options } from '../config.ts'

const intro = `nitka: relay, direct chat, rooms, tasks, requests and pools in one server

  nitka serve                  the server
  nitka demo                   the server with a page to try it on, tasks, and workers that die of some of them
  nitka tasks                  tasks, queues and dead letters: list, add, show, retry, pause and more
  nitka work                   a worker to try tasks with: it sleeps a task's Period; over 800 ms the task fails,
                               over 900 the worker exits (--queue Q, --batch N, --url http://host:port)
  nitka call TYPE [PAYLOAD]    asks a request and prints the answer
  nitka pools                  pools: list, status, add, remove, acquire, release
  nitka check                  whether the store in the data folder is whole
  nitka config                 the options as they are now
  nitka trace ID --user USER   what became of a message (or --room ROOM)
  nitka help

  nitka serve --port 9000 --data /var/lib/nitka
  NITKA_PORT=9000 nitka serve
  nitka tasks add '{"Period":250}' --queue mail --delay 5000
  nitka work --queue mail --batch 4
  nitka tasks dead --queue mail
  nitka tasks retry --all --queue mail
  nitka serve --executors executors.mjs --queue-report 4s
  nitka call getProxy '{"site":"a"}'
  nitka pools add proxies a b c

Options, as flags; each also from the environment and from .env:
`

export async function help(): Promise<number> {
  console.log(intro)
  for (const name of Object.keys(options) as OptionName[]) {
    const { kind, default: value, doc } = options[name]
    const flag = `--${flagName(name)}${kind === 'flag' ? '' : ` ${kind.toUpperCase()}`}`
    console.log(`  ${flag.padEnd(34)} ${doc} [${environmentName(name)}, ${JSON.stringify(value)}]`)
  }
  return 0
}
