import type { Command } from 'commander'
import { addExamples, type CommandContext } from './context.ts'
import { useVault } from './vault-io.ts'

export function registerSign(program: Command, cli: CommandContext): void {
  const command = program
    .command('sign')
    .description('sign standard input: a Secure Message of Themis, in which it stays readable')
    .action((_own, command: Command) =>
      useVault(cli, command, async (parley, input) => ({ output: await parley.vault.sign(input) }))
    )
  addExamples(command, ['parley sign < statement.txt > statement.signed'])
}
