import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ParleyError } from '@parley/client-sdk'
import { type Command, Option } from 'commander'
import { addExamples, type CommandContext, type GlobalOptions, optionsOf } from './context.ts'
import { whenGone } from './process-end.ts'
import { askTestnet, startTestnetProcess, type TestnetInfo, type TestnetLink } from './testnet-process.ts'
import { parseCount, parseDuration, table } from './text.ts'

interface TestnetOptions extends GlobalOptions {
  readonly dir?: string
}

interface UpOptions extends TestnetOptions {
  readonly nodes?: number
  readonly topology: string
  readonly perProcess?: number
  readonly timeout?: number
}

const DOWN_TIMEOUT_MS = 60_000

export function registerTestnet(program: Command, cli: CommandContext): void {
  const command = program
    .command('testnet')
    .description('many daemons on this host that know each other, with links that can be cut')
    .helpCommand(false)
  addExamples(command, [
    'parley testnet up -n 5',
    'parley testnet cut n1 n2 --silent',
    'parley testnet heal',
    'parley testnet down'
  ])
  registerUp(command, cli)
  registerList(command, cli)
  registerCut(command, cli)
  registerDelay(command, cli)
  registerHeal(command, cli)
  registerDown(command, cli)
}

function dirOption(): Option {
  return new Option('--dir <dir>', "its folder (default: this user's in the system's temporary folder)")
}

function registerUp(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('up')
    .description('start one, and return when all sessions are up')
    .option('-n, --nodes <number>', 'how many daemons (default: 3); they are called n1, n2, …', parseCount)
    .addOption(
      new Option('--topology <which>', 'who is linked to whom')
        .choices(['full', 'line', 'star', 'none'])
        .default('full')
    )
    .option('--per-process <number>', 'how many daemons share a process (default: 1)', parseCount)
    .option('--timeout <duration>', 'how long it may take (default: 2m)', parseDuration)
    .addOption(dirOption())
    .action(async (_own, command: Command) => {
      const options = optionsOf<UpOptions>(command)
      const { nodes, topology, perProcess, timeout: timeoutMs } = options
      const dir = await dirOf(cli, options)
      const net = await startTestnetProcess<TestnetInfo>(cli, { dir, nodes, topology, perProcess, timeoutMs })
      await tell(cli, options, net)
      if (!options.json)
        await cli.say(
          `next: parley status --home ${join(net.dir, 'n1')}; parley testnet down${options.dir === undefined ? '' : ` --dir ${options.dir}`}`
        )
    })
  addExamples(command, ['parley testnet up -n 5', 'parley testnet up -n 10 --topology star --dir ./net'])
}

function registerList(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('ls')
    .description('list its daemons, and the links that are not as they were')
    .addOption(dirOption())
    .action(async (_own, command: Command) => {
      const options = optionsOf<TestnetOptions>(command)
      await tell(cli, options, await askTestnet<TestnetInfo>(await dirOf(cli, options), 'ls', {}))
    })
  addExamples(command, ['parley testnet ls', 'parley testnet ls --json'])
}

function registerCut(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('cut')
    .description('cut a link: what is open is reset, and so is every new connection')
    .argument('<a>', 'a daemon')
    .argument('<b>', 'another one')
    .option('--silent', 'nothing is reset, and nothing arrives, as when a cable is pulled')
    .addOption(dirOption())
    .action(async (a: string, b: string, _own, command: Command) => {
      const options = optionsOf<TestnetOptions & { silent?: true }>(command)
      await changeLinks(cli, options, 'cut', { a, b, silent: options.silent === true })
    })
  addExamples(command, ['parley testnet cut n1 n2', 'parley testnet cut n1 n2 --silent'])
}

function registerDelay(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('delay')
    .description('hold every byte of a link back, each way')
    .argument('<a>', 'a daemon')
    .argument('<b>', 'another one')
    .argument('<duration>', 'such as 50ms; 0 ends it')
    .addOption(dirOption())
    .action(async (a: string, b: string, duration: string, _own, command: Command) => {
      const options = optionsOf<TestnetOptions>(command)
      const delayMs = /^0(ms|s)?$/.test(duration) ? 0 : parseDuration(duration)
      await changeLinks(cli, options, 'delay', { a, b, delayMs })
    })
  addExamples(command, ['parley testnet delay n1 n2 50ms', 'parley testnet delay n1 n2 0'])
}

function registerHeal(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('heal')
    .description('heal a link, or all links of a daemon, or all')
    .argument('[a]', 'a daemon')
    .argument('[b]', 'another one')
    .addOption(dirOption())
    .action(async (a: string | undefined, b: string | undefined, _own, command: Command) => {
      await changeLinks(cli, optionsOf<TestnetOptions>(command), 'heal', { a, b })
    })
  addExamples(command, ['parley testnet heal', 'parley testnet heal n1 n2'])
}

function registerDown(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('down')
    .description('stop all of it; no process and no file is left')
    .addOption(dirOption())
    .action(async (_own, command: Command) => {
      const options = optionsOf<TestnetOptions>(command)
      const dir = await dirOf(cli, options)
      const deadline = await cli.deadline(DOWN_TIMEOUT_MS, `The test network was not gone in ${DOWN_TIMEOUT_MS} ms.`)
      try {
        const pid = await stop(cli, dir)
        if (pid !== undefined) await whenGone(cli, pid, deadline.signal)
      } finally {
        deadline.cancel()
      }
      if (options.json) await cli.out.writeJson({ stopped: true, dir })
      else await cli.say('stopped')
    })
  addExamples(command, ['parley testnet down', 'parley testnet down --dir ./net'])
}

/** Returns the process that is ending. Where it was killed, what it left is removed instead. */
async function stop(cli: CommandContext, dir: string): Promise<number | undefined> {
  try {
    return (await askTestnet<{ pid: number }>(dir, 'down', {})).pid
  } catch (error) {
    const isLeft = existsSync(join(dir, 'testnet.json'))
    if (!(error instanceof ParleyError) || error.code !== 'NO_SUCH_TESTNET' || !isLeft) throw error
    await startTestnetProcess(cli, { dir, sweepOnly: true })
    return undefined
  }
}

async function changeLinks(
  cli: CommandContext,
  options: TestnetOptions,
  method: string,
  params: object
): Promise<void> {
  const result = await askTestnet<{ links: readonly TestnetLink[] }>(await dirOf(cli, options), method, params)
  if (options.json) return cli.out.writeJson(result)
  for (const link of result.links) await cli.out.write(linkText(link))
}

async function dirOf(cli: CommandContext, { dir }: TestnetOptions): Promise<string> {
  const { defaultTestnetDir } = await cli.offline()
  return dir === undefined ? defaultTestnetDir() : resolve(dir)
}

async function tell(cli: CommandContext, options: TestnetOptions, net: TestnetInfo): Promise<void> {
  if (options.json) return cli.out.writeJson(net)
  const rows = net.nodes.map(({ name, state, pid, sessions, home }) => [
    name,
    state,
    String(pid ?? '-'),
    String(sessions),
    home
  ])
  await cli.out.write(table([['NODE', 'STATE', 'PID', 'SESSIONS', 'HOME'], ...rows]))
  // Links that do nothing of note would drown the others.
  for (const link of net.links) if (link.state !== 'up' || link.delayMs > 0) await cli.out.write(linkText(link))
}

function linkText({ a, b, state, delayMs }: TestnetLink): string {
  return `${a} - ${b}: ${state}${delayMs > 0 ? `, ${delayMs} ms each way` : ''}\n`
}
