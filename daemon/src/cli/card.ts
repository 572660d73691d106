import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { addExamples, type CommandContext, type GlobalOptions, optionsOf } from './context.ts'

/** What the largest QR code holds. */
const QR_BYTES_MAX = 2_953

export function registerCard(program: Command, cli: CommandContext): void {
  const command = program
    .command('card')
    .description('print the card to give to a peer: one line')
    .option('--qr', 'show it as a QR code too')
    .action(async (_own, command: Command) => {
      const options = optionsOf<GlobalOptions & { qr?: true }>(command)
      await using parley = await cli.connect(options)
      const card = await parley.card()
      if (options.json) return cli.out.writeJson({ card })
      await cli.out.write(`${card}\n`)
      if (!options.qr) return
      if (card.length > QR_BYTES_MAX) throw new UsageError('The card is too long for a QR code.')
      const { qrCode } = await cli.offline()
      await cli.out.write(`${await qrCode(card)}\n`)
    })
  addExamples(command, [
    'parley card',
    ['to a second daemon on this host', 'parley card | parley --home ./bob peer add -']
  ])
}
