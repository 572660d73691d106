import type { Command } from 'commander'
import { addExamples, type CommandContext, optionsOf } from './context.ts'
import { passphraseFileFlag } from './passphrase.ts'

interface InitOptions {
  readonly id?: string
  readonly config?: string
  readonly passphraseFile?: string
}

export function registerInit(program: Command, cli: CommandContext): void {
  const command = program
    .command('init')
    .description('make the identity of this home: its keys and its ID')
    .option('--id <id>', 'the ID to be known by (default: <user>@<host>-<5 characters of the key>)')
    .option('--passphrase-file <file>', 'seal the keys by the passphrase in this file (default: by a key file)')
    .option('--config <file>', 'the configuration file')
    .action(async (_own, command: Command) => {
      const { id, home, config, json, passphraseFile } = optionsOf<InitOptions>(command)
      const { initialize, loadSettings } = await cli.offline()
      const flags = { ...(id === undefined ? {} : { 'node.id': id }), ...passphraseFileFlag(passphraseFile) }
      const made = await initialize(loadSettings({ host: cli.host, home, configFile: config, flags }), cli.host)
      if (json) return cli.out.writeJson(made)
      await cli.out.write(`${made.id}\n`)
      await cli.say(
        `fingerprint ${made.fingerprint}\nkeys in ${made.stateDir}; they are this identity: back them up\nnext: parley up`
      )
    })
  addExamples(command, ['parley init', 'parley init --id alice@laptop', 'parley init --home ./alice --json'])
}
