import type { Command } from 'commander'
import { addExamples, type CommandContext, optionsOf } from './context.ts'
import { oneLine } from './text.ts'

export function registerWhy(program: Command, cli: CommandContext): void {
  const command = program
    .command('why')
    .description('tell in a line why a message or a contact is as it is, and in another what to do')
    .argument(
      '<what>',
      'ID of a message that was sent here; or name, ID or contact ID of a contact, or the start of one'
    )
    .action(async (subject: string, _own, command: Command) => {
      const options = optionsOf(command)
      await using parley = await cli.connect(options)
      const why = await parley.call('node.why', { subject })
      if (options.json) return cli.out.writeJson(why)
      const { state, cause, action, since } = why
      const from = since === undefined ? '' : ` since ${new Date(since).toISOString()}`
      await cli.out.write(`${oneLine(state)}${from}: ${oneLine(cause)}\n`)
      await cli.out.write(`next: ${oneLine(action)}\n`)
    })
  addExamples(command, ['parley why bob', 'parley why 8f14e45fceea167a5a36dedd4bea2543.1025.7'])
}
