import { type FileHandle, open } from 'node:fs/promises'
import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { addExamples, type CommandContext, type GlobalOptions, optionsOf } from './context.ts'
import { passphraseFileFlag, promptPassphrase } from './passphrase.ts'

interface ExportOptions extends GlobalOptions {
  readonly to?: string
  readonly config?: string
  readonly passphraseFile?: string
}

const FILE_MODE = 0o600

export function registerExport(program: Command, cli: CommandContext): void {
  const command = program
    .command('export')
    .description('read out the store of this home, even one that will not open; no daemon may run')
    .option('--to <file>', 'write to a new file instead of standard output')
    .option('--passphrase-file <file>', 'file with the passphrase of the keyring')
    .option('--config <file>', 'the configuration file')
    .action(async (_own, command: Command) => exportTo(cli, optionsOf<ExportOptions>(command)))
  addExamples(command, [
    'parley export --to store.jsonl',
    ['the messages of one contact', 'parley export | jq \'select(.from == "bob") | .text\'']
  ])
}

async function exportTo(cli: CommandContext, options: ExportOptions): Promise<void> {
  const { exportStore, loadSettings, passphraseOf } = await cli.offline()
  const flags = passphraseFileFlag(options.passphraseFile)
  const loaded = loadSettings({ host: cli.host, home: options.home, configFile: options.config, flags })
  const passphrase = await passphraseOf(loaded, cli.host, () => promptPassphrase(cli, 'passphrase of the keyring'))
  await using file = options.to === undefined ? undefined : await newFile(options.to)
  const { stateDir } = loaded.paths
  const summary = await exportStore({ stateDir, passphrase }, async line => {
    if (file === undefined) await cli.out.writeJson(line)
    else await file.write(`${JSON.stringify(line)}\n`)
  }).catch(error => {
    throw error.code === 'STORE_UNAVAILABLE' ? new NoRoomError(stateDir, error) : error
  })
  await file?.sync()
  if (options.json && file !== undefined) return cli.out.writeJson(summary)
  const { lines, messages, damaged, cutShort, repaired } = summary
  await cli.say(`${lines} lines, ${messages} of them messages`)
  for (const [sublevel, count] of Object.entries(damaged)) await cli.say(`${count} records of ${sublevel} did not open`)
  for (const sublevel of cutShort) await cli.say(`${sublevel} could not be read to its end`)
  if (repaired) await cli.say('the database was damaged: what was lost with its files is not counted')
}

/** The copy that is read lies beside the store, on a disk that is full or cannot be written. */
class NoRoomError extends Error {
  override readonly name = 'NoRoomError'
  readonly code = 'STORE_UNAVAILABLE'
  readonly action: string

  constructor(stateDir: string, cause: Error) {
    super(cause.message, { cause })
    this.action = `Copy the folder that holds ${stateDir} to a disk with room, and export that: \`parley --home COPY export\`.`
  }
}

async function newFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', FILE_MODE)
  } catch (error) {
    throw new UsageError(`${path} cannot be made: ${(error as NodeJS.ErrnoException).code ?? error}`)
  }
}
