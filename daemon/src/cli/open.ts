import type { Command } from 'commander'
import { addExamples, type CommandContext } from './context.ts'
import { useVault } from './vault-io.ts'

export function registerOpen(program: Command, cli: CommandContext): void {
  const command = program
    .command('open')
    .description('open a cell from standard input that this daemon sealed')
    .option('--context <text>', 'the text that it was bound to')
    .action((_own, command: Command) =>
      useVault<{ context?: string }>(cli, command, async (parley, input, { context }) => ({
        output: await parley.vault.open(input, { context })
      }))
    )
  addExamples(command, ['parley open < notes.cell'])
}
