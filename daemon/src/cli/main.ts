import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { registerAudit } from './audit.ts'
import { registerCard } from './card.ts'
import { UsageError } from './command-errors.ts'
import { registerCompare } from './compare.ts'
import { registerConfig } from './config.ts'
import { registerConsumer } from './consumer.ts'
import { addExamples, type CliHost, CommandContext } from './context.ts'
import { registerDecrypt } from './decrypt.ts'
import { registerDown } from './down.ts'
import { registerEncrypt } from './encrypt.ts'
import { EXIT } from './exit-codes.ts'
import { registerExport } from './export.ts'
import { registerIdentity } from './identity.ts'
import { registerInit } from './init.ts'
import { registerKeys } from './keys.ts'
import { registerListen } from './listen.ts'
import { registerOpen } from './open.ts'
import { registerPair } from './pair.ts'
import { registerPeer } from './peer.ts'
import { registerReceiveFiles } from './receive-files.ts'
import { registerSeal } from './seal.ts'
import { registerSend } from './send.ts'
import { registerSendFile } from './send-file.ts'
import { registerSign } from './sign.ts'
import { registerStatus } from './status.ts'
import { registerTestnet } from './testnet.ts'
import { registerDaemon, registerUp } from './up.ts'
import { registerVerify } from './verify.ts'
import { registerWait } from './wait.ts'
import { registerWhy } from './why.ts'

const EXIT_CODES_HELP = `
Exit status:
  0 done              1 wrong use          2 internal error    3 no daemon
  4 not trusted       5 over a limit       6 timed out         7 versions differ
  8 peer unavailable  9 configuration`

/** Runs `parley` and returns its exit code. Everything was written when it resolves. */
export function runCli(host: CliHost): Promise<number> {
  const cli = new CommandContext(host, 'parley')
  return run(cli, buildProgram(cli))
}

/** Runs `parleyd`, the daemon alone, and returns its exit code. */
export function runDaemonProgram(host: CliHost): Promise<number> {
  const cli = new CommandContext(host, 'parleyd')
  const program = newProgram(cli)
  registerDaemon(program, cli)
  return run(cli, program)
}

/** The whole of `parley`: every command and its help. */
export function buildProgram(cli: CommandContext): Command {
  const program = newProgram(cli).description(
    'Authenticated, end-to-end encrypted messages to the peers you know, with no server in between.'
  )
  registerInit(program, cli)
  registerUp(program, cli)
  registerDown(program, cli)
  registerStatus(program, cli)
  registerWhy(program, cli)
  registerWait(program, cli)
  registerCard(program, cli)
  registerPair(program, cli)
  registerCompare(program, cli)
  registerPeer(program, cli)
  registerSend(program, cli)
  registerListen(program, cli)
  registerSendFile(program, cli)
  registerReceiveFiles(program, cli)
  registerSeal(program, cli)
  registerOpen(program, cli)
  registerSign(program, cli)
  registerVerify(program, cli)
  registerEncrypt(program, cli)
  registerDecrypt(program, cli)
  registerAudit(program, cli)
  registerConsumer(program, cli)
  registerIdentity(program, cli)
  registerKeys(program, cli)
  registerConfig(program, cli)
  registerExport(program, cli)
  registerTestnet(program, cli)
  addExamples(program, [
    ['run a daemon, and see its card', 'parley up'],
    ['know a peer, and talk', 'parley peer add parley:card:… --name bob'],
    'parley send bob hello',
    'parley listen'
  ])
  program.addHelpText('after', EXIT_CODES_HELP)
  return program
}

function newProgram(cli: CommandContext): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return (
    new Command(cli.program)
      .version(version, '--version', 'print the version')
      .option('--home <dir>', 'folder of config, state and socket of one daemon (PARLEY_HOME)')
      .option('--socket <path>', 'socket of the daemon (PARLEY_SOCKET)')
      .option('--json', 'print JSON: the one output that stays the same from version to version')
      .configureHelp({ showGlobalOptions: true })
      // What goes to standard output waits in `writes`; a wrong use is told by `fail`, as every other failure.
      .configureOutput({
        writeOut: text => cli.later(text),
        writeErr: text => cli.laterErr(text),
        outputError: () => {}
      })
      .exitOverride()
  )
}

async function run(cli: CommandContext, program: Command): Promise<number> {
  const args = cli.host.argv.slice(2)
  try {
    await program.parseAsync(args, { from: 'user' })
    return cli.exitCode
  } catch (error) {
    await cli.flush()
    if (!(error instanceof CommanderError)) return cli.fail(error, isJson(program, args))
    if (error.exitCode === 0) return EXIT.ok
    if (error.code === 'commander.help') return EXIT.usage
    const action = `See \`${helpCommand(cli, program, args)}\`.`
    return cli.fail(new UsageError(error.message.replace(/^error: /, ''), action), isJson(program, args))
  }
}

/** Whether `--json` was given, also where the command line was too wrong to be read. */
function isJson(program: Command, args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return program.opts()['json'] === true || args.slice(0, end === -1 ? args.length : end).includes('--json')
}

/** The most particular help there is for what was typed. */
function helpCommand(cli: CommandContext, program: Command, args: readonly string[]): string {
  const words: string[] = [cli.program]
  let at: Command | undefined = program
  for (const arg of args) {
    at = at?.commands.find(command => command.name() === arg || command.aliases().includes(arg)) ?? at
    if (at !== program && at?.name() === arg) words.push(arg)
  }
  return `${words.join(' ')} --help`
}
