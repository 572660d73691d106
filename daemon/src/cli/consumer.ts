import type { ConsumerInfo, From } from '@parley/client-sdk'
import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { addExamples, type CommandContext, optionsOf } from './context.ts'
import { oneLine, table } from './text.ts'

export function registerConsumer(program: Command, cli: CommandContext): void {
  const command = program
    .command('consumer')
    .description('the names under which programs read, and how far they are')
    .helpCommand(false)
  addExamples(command, ['parley consumer ls', 'parley consumer seek app start', 'parley consumer rm app'])
  registerList(command, cli)
  registerRemove(command, cli)
  registerSeek(command, cli)
}

function registerList(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('ls')
    .description('list the consumers')
    .action(async (_own, command: Command) => {
      const options = optionsOf(command)
      await using parley = await cli.connect(options)
      const consumers = await parley.consumers.list()
      if (options.json) return cli.out.writeJson({ consumers })
      if (consumers.length === 0) return cli.say('no consumers yet: parley listen makes one')
      await cli.out.write(consumerTable(consumers))
    })
  addExamples(command, ['parley consumer ls', 'parley consumer ls --json'])
}

function registerRemove(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('rm')
    .description('forget a consumer; what it has not acknowledged waits for others')
    .argument('<consumer>', 'its name')
    .action(async (consumer: string, _own, command: Command) => {
      const options = optionsOf(command)
      await using parley = await cli.connect(options)
      await parley.consumers.remove(consumer)
      if (options.json) return cli.out.writeJson({ removed: consumer })
      await cli.say(`removed ${oneLine(consumer)}`)
    })
  addExamples(command, ['parley consumer rm app'])
}

function registerSeek(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('seek')
    .description('move a consumer: it goes on from there, and gets again what comes after')
    .argument('<consumer>', 'its name')
    .argument('<to>', 'start, now, or the index after which it goes on', parseTo)
    .action(async (consumer: string, to: From, _own, command: Command) => {
      const options = optionsOf(command)
      await using parley = await cli.connect(options)
      const info = await parley.consumers.seek(consumer, to)
      if (options.json) return cli.out.writeJson(info)
      await cli.out.write(consumerTable([info]))
    })
  addExamples(command, ['parley consumer seek app start', 'parley consumer seek app 1200'])
}

function parseTo(text: string): From {
  if (text === 'start' || text === 'now') return text
  if (/^\d{1,15}$/.test(text)) return { after: Number(text) }
  throw new UsageError(`cannot go to "${oneLine(text)}"`, 'Write start, now, or an index.')
}

/** Consumers with how far behind they are. */
export function consumerTable(consumers: readonly ConsumerInfo[]): string {
  const rows = consumers.map(({ consumer, cursor, lag, oldestAt, stalled, by }) => {
    const oldest = oldestAt === undefined ? '' : new Date(oldestAt).toISOString()
    return [consumer, String(cursor), String(lag), oldest, by ?? '', stalled ? 'stalled' : '']
  })
  return table([['CONSUMER', 'CURSOR', 'LAG', 'OLDEST', 'READER', ''], ...rows])
}
