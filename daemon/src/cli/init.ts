import type { Command } from 'commander'
import { addExamples, type CommandContext, optionsOf } from './context.ts'

export function registerInit(program: Command, cli: CommandContext): void {
  const command = program
    .command('init')
    .description('make the identity of this home: its keys and its ID')
    .option('--id <id>', 'the ID to be known by (default: <user>@<host>-<5 characters of the key>)')
    .option('--config <file>', 'the configuration file')
    .action(async (_own, command: Command) => {
      const { id, home, config, json } = optionsOf<{ id?: string; config?: string }>(command)
      const { initialize, loadSettings } = await cli.offline()
      const flags = id === undefined ? {} : { 'node.id': id }
      const made = await initialize(loadSettings({ host: cli.host, home, configFile: config, flags }))
      if (json) return cli.out.writeJson(made)
      await cli.out.write(`${made.id}\n`)
      await cli.say(
        `fingerprint ${made.fingerprint}\nkeys in ${made.stateDir}; they are this identity: back them up\nnext: parley up`
      )
    })
  addExamples(command, ['parley init', 'parley init --id alice@laptop', 'parley init --home ./alice --json'])
}
