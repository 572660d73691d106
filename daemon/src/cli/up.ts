import { spawn } from 'node:child_process'
import { mkdirSync, openSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Client, ParleyError } from '@parley/client-sdk'
import type { Command } from 'commander'
import { TimedOutError } from './command-errors.ts'
import { addExamples, type CommandContext, type GlobalOptions, type Offline, optionsOf } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { onFile } from './file-error.ts'
import { BrokenPipeError } from './output.ts'
import { passphraseFileFlag, promptPassphrase } from './passphrase.ts'
import { oneLine, parseDuration } from './text.ts'

interface UpOptions extends GlobalOptions {
  readonly listen?: string[]
  readonly announce?: string[]
  readonly id?: string
  readonly profile?: string
  readonly logLevel?: string
  readonly logFormat?: string
  readonly logFile?: string
  readonly config?: string
  readonly passphraseFile?: string
  readonly detach?: true
  readonly timeout?: number
}

type Loaded = ReturnType<Offline['loadSettings']>

const DETACH_TIMEOUT_MS = 60_000
const LOG_TAIL_BYTES_MAX = 16_384

export function registerUp(program: Command, cli: CommandContext): void {
  const command = withDaemonOptions(program.command('up'))
    .description('run the daemon of this home, and make its identity first where there is none')
    .option('-d, --detach', 'return when it is ready, and leave it running')
    .option('--timeout <duration>', 'with --detach: how long to wait for it (default: 1m)', parseDuration)
    .action(async (_own, command: Command) => {
      const options = optionsOf<UpOptions>(command)
      const exitCode = options.detach ? await runDetached(cli, options) : await runHere(cli, options)
      if (exitCode !== EXIT.ok) cli.endWith(exitCode)
    })
  addExamples(command, [
    'parley up',
    ['a second daemon on this host', 'parley up --home ./bob --listen /ip4/127.0.0.1/tcp/0 --detach']
  ])
}

/** The same without the welcome, for a service manager. */
export function registerDaemon(program: Command, cli: CommandContext): void {
  withDaemonOptions(program)
    .description('The Parley daemon: carries the messages of the programs of this host.')
    .action(async (_own, command: Command) => {
      const options = optionsOf<UpOptions>(command)
      const { passphraseOf, runDaemon } = await cli.offline()
      const loaded = await load(cli, options)
      const passphrase = await passphraseOf(loaded, cli.host)
      const exitCode = await runDaemon({
        loaded,
        host: cli.host,
        passphrase,
        logFile: options.logFile,
        onReady: async () => {}
      })
      if (exitCode !== EXIT.ok) cli.endWith(exitCode)
    })
  addExamples(program, ['parleyd', 'parleyd --home /var/lib/parley --log-format json'])
}

function withDaemonOptions(command: Command): Command {
  const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value]
  return command
    .option(
      '--listen <multiaddr>',
      'address to listen on; may be repeated (default: all interfaces, TCP 7390)',
      collect
    )
    .option('--announce <multiaddr>', 'address to put on the card; may be repeated', collect)
    .option('--id <id>', 'ID for a new identity')
    .option('--passphrase-file <file>', 'file with the passphrase of the keyring')
    .option('--profile <profile>', 'default, or test: higher limits for many daemons on one host')
    .option('--log-level <level>', 'debug, info, warn or error')
    .option('--log-format <format>', 'text or json')
    .option('--log-file <file>', 'log to a file instead of standard error; at most two of 10 MiB are kept')
    .option('--config <file>', 'the configuration file')
}

async function load(cli: CommandContext, options: UpOptions): Promise<Loaded> {
  const { loadSettings } = await cli.offline()
  const given = {
    'network.listen': options.listen,
    'network.announce': options.announce,
    'node.id': options.id,
    ...passphraseFileFlag(options.passphraseFile),
    'node.profile': options.profile,
    'socket.path': options.socket,
    'log.level': options.logLevel,
    'log.format': options.logFormat
  }
  const flags = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >
  const loaded = loadSettings({ host: cli.host, home: options.home, configFile: options.config, flags })
  for (const variable of loaded.ignoredVariables) await cli.say(`${variable} means nothing to this version: ignored`)
  return loaded
}

async function runHere(cli: CommandContext, options: UpOptions): Promise<number> {
  const { passphraseOf, runDaemon } = await cli.offline()
  const loaded = await load(cli, options)
  return runDaemon({
    loaded,
    host: cli.host,
    passphrase: await passphraseOf(loaded, cli.host, () => promptPassphrase(cli, 'passphrase of the keyring')),
    logFile: options.logFile,
    onReady: async () => {
      await using parley = await cli.connect({ socket: loaded.socket })
      await welcome(cli, parley, options, 'Ctrl-C stops it.').catch((error: unknown) => {
        // Whoever reads no further, as `head -1` does, still wants the daemon.
        if (!(error instanceof BrokenPipeError)) throw error
      })
    }
  })
}

/** How this command line is called for this daemon. Under npm it is in the project and not on the PATH of the shell. */
function commandFor(cli: CommandContext, { home }: UpOptions): string {
  const program = cli.host.env['npm_execpath'] === undefined ? 'parley' : 'npx parley'
  return home === undefined ? program : `${program} --home ${shellWord(home)}`
}

/** Tells who this is, what to give to others, and what to type next. */
async function welcome(cli: CommandContext, parley: Client, options: UpOptions, how: string): Promise<void> {
  const [status, card] = await Promise.all([parley.status(), parley.card()])
  const { id, socket, pid, listen } = status
  if (options.json) return cli.out.writeJson({ id, card, socket, pid, listen })
  const command = commandFor(cli, options)
  await cli.out.write(
    `${[
      `id      ${oneLine(id)}`,
      `listen  ${listen.join(' ')}`,
      `socket  ${socket}`,
      `card    ${card}`,
      '',
      'Give the card to a peer, add the card of that peer, and talk:',
      `  ${command} peer add CARD --name bob`,
      `  ${command} send bob hello`,
      `  ${command} listen`,
      how
    ].join('\n')}\n`
  )
}

async function runDetached(cli: CommandContext, options: UpOptions): Promise<number> {
  const { parleydFile, clock } = await cli.offline()
  const loaded = await load(cli, options)
  const { stateDir } = loaded.paths
  await onFile(stateDir, 'made', async () => mkdirSync(stateDir, { recursive: true, mode: 0o700 }))
  // The child has another working directory, and may not have heard of an interrupt: it is in a session of its own.
  const logFile = resolve(options.logFile ?? join(stateDir, 'parleyd.log'))
  const over = new AbortController()
  const interrupt = (): void => over.abort(new ParleyError('STOPPED', 'The daemon was stopped while it started.'))
  cli.host.on('SIGINT', interrupt)
  cli.host.on('SIGTERM', interrupt)
  const output = await onFile(logFile, 'written', async () => openSync(logFile, 'a', 0o600))
  const outputFrom = statSync(logFile).size
  const child = spawn(cli.host.execPath, [parleydFile, ...childFlags(options, loaded), '--log-file', logFile], {
    cwd: '/',
    detached: true,
    env: { ...cli.host.env },
    stdio: ['ignore', 'ignore', output]
  })
  const exited = Promise.withResolvers<number>()
  child.on('error', exited.reject)
  child.on('exit', (code, signal) => {
    over.abort(new Error(`the daemon ended (${signal ?? code})`))
    exited.resolve(code ?? EXIT.internal)
  })
  const timeoutMs = options.timeout ?? DETACH_TIMEOUT_MS
  const late = new TimedOutError(`The daemon was not ready within ${timeoutMs} ms.`)
  const timer = clock.timer(timeoutMs, () => over.abort(late))
  try {
    await using parley = await connectTo(cli, loaded.socket, child.pid, over.signal)
    child.unref()
    await welcome(
      cli,
      parley,
      options,
      `It runs as process ${child.pid} and logs to ${logFile}; \`${commandFor(cli, options)} down\` stops it.`
    )
    return EXIT.ok
  } catch (error) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      throw error
    }
    await cli.say(tailOf(logFile, outputFrom))
    return await exited.promise
  } finally {
    timer.cancel()
    cli.host.off('SIGINT', interrupt)
    cli.host.off('SIGTERM', interrupt)
  }
}

/** A connection to the daemon that is process `pid`, once it is ready; another one may still serve the socket. */
async function connectTo(
  cli: CommandContext,
  socket: string,
  pid: number | undefined,
  signal: AbortSignal
): Promise<Client> {
  const { pause } = await cli.offline()
  for (;;) {
    const parley = await cli.connect({ socket }, { wait: true, signal })
    const status = await parley.status({ signal })
    if (status.pid === pid && status.ready) return parley
    await parley.close()
    await pause(50, signal)
  }
}

/** The flags that give a child in another directory the same configuration. */
function childFlags(options: UpOptions, loaded: Loaded): string[] {
  const { home } = loaded.paths
  const [configFile = ''] = loaded.paths.configFiles
  const { path } = loaded.config.socket
  return [
    ...(home === null ? [] : ['--home', home]),
    ...(loaded.paths.configFileNamed ? ['--config', configFile] : []),
    ...(path === undefined ? [] : ['--socket', path]),
    ...(options.listen ?? []).flatMap(address => ['--listen', address]),
    ...(options.announce ?? []).flatMap(address => ['--announce', address]),
    ...(options.id === undefined ? [] : ['--id', options.id]),
    ...(options.passphraseFile === undefined ? [] : ['--passphrase-file', resolve(options.passphraseFile)]),
    ...(options.profile === undefined ? [] : ['--profile', options.profile]),
    ...(options.logLevel === undefined ? [] : ['--log-level', options.logLevel]),
    ...(options.logFormat === undefined ? [] : ['--log-format', options.logFormat]),
    ...(options.json ? ['--json'] : [])
  ]
}

/** What a child that failed wrote, without its end of line. */
function tailOf(file: string, from: number): string {
  return readFileSync(file).subarray(from).subarray(-LOG_TAIL_BYTES_MAX).toString().trimEnd()
}

function shellWord(text: string): string {
  return /^[\w./:@+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
