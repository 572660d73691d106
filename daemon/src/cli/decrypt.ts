import type { Command } from 'commander'
import { addExamples, type CommandContext } from './context.ts'
import { needed, useVault } from './vault-io.ts'

export function registerDecrypt(program: Command, cli: CommandContext): void {
  const command = program
    .command('decrypt')
    .description('decrypt what a contact encrypted for this identity, from standard input')
    .option('--from <peer>', 'the contact: name, ID, contact ID, or the start of one')
    .action((_own, command: Command) =>
      useVault<{ from?: string }>(
        cli,
        command,
        async (parley, input, options) => {
          const { content, from } = await parley.vault.decrypt(needed(options.from, '--from', 'decrypt'), input)
          return { output: content, peer: from }
        },
        name => `from ${name}`
      )
    )
  addExamples(command, ['parley decrypt --from bob < report.msg > report'])
}
