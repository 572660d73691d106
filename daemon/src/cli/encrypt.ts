import type { Command } from 'commander'
import { addExamples, type CommandContext } from './context.ts'
import { needed, useVault } from './vault-io.ts'

export function registerEncrypt(program: Command, cli: CommandContext): void {
  const command = program
    .command('encrypt')
    .description('encrypt standard input for a contact: a Secure Message of Themis')
    .option('--to <peer>', 'the contact: name, ID, contact ID, or the start of one')
    .action((_own, command: Command) =>
      useVault<{ to?: string }>(cli, command, async (parley, input, { to }) => ({
        output: await parley.vault.encrypt(needed(to, '--to', 'encrypt'), input)
      }))
    )
  addExamples(command, ['parley encrypt --to bob < report > report.msg'])
}
