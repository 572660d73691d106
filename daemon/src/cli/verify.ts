import type { Command } from 'commander'
import { addExamples, type CommandContext } from './context.ts'
import { needed, useVault } from './vault-io.ts'

export function registerVerify(program: Command, cli: CommandContext): void {
  const command = program
    .command('verify')
    .description('check that a contact signed what is on standard input, and print what it says')
    .option('--from <peer>', 'the contact: name, ID, contact ID, or the start of one')
    .action((_own, command: Command) =>
      useVault<{ from?: string }>(
        cli,
        command,
        async (parley, input, options) => {
          const { content, from } = await parley.vault.verify(needed(options.from, '--from', 'verify'), input)
          return { output: content, peer: from }
        },
        name => `signed by ${name}`
      )
    )
  addExamples(command, ['parley verify --from bob < statement.signed'])
}
