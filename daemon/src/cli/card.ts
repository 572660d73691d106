import type { Command } from 'commander'
import { addExamples, type CommandContext, optionsOf } from './context.ts'

export function registerCard(program: Command, cli: CommandContext): void {
  const command = program
    .command('card')
    .description('print the card to give to a peer: one line')
    .action(async (_own, command: Command) => {
      const options = optionsOf(command)
      await using parley = await cli.connect(options)
      const card = await parley.card()
      await (options.json ? cli.out.writeJson({ card }) : cli.out.write(`${card}\n`))
    })
  addExamples(command, [
    'parley card',
    ['to a second daemon on this host', 'parley card | parley --home ./bob peer add -']
  ])
}
