import type { Command } from 'commander'
import { addExamples, type CommandContext } from './context.ts'
import { useVault } from './vault-io.ts'

export function registerSeal(program: Command, cli: CommandContext): void {
  const command = program
    .command('seal')
    .description('seal standard input into a cell that only this daemon opens, for programs of this owner')
    .option('--context <text>', 'bind it to a text, which must be given again to open it')
    .action((_own, command: Command) =>
      useVault<{ context?: string }>(cli, command, async (parley, input, { context }) => ({
        output: await parley.vault.seal(input, { context })
      }))
    )
  addExamples(command, [
    'parley seal < notes.txt > notes.cell',
    'parley seal --context backup < notes.txt > notes.cell'
  ])
}
