import type { Client, Receipt, SendOptions } from '@parley/client-sdk'
import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { addExamples, type CommandContext, type GlobalOptions, optionsOf } from './context.ts'
import { readAll, readLines } from './lines.ts'
import { oneLine, parseDuration } from './text.ts'

interface SendCommandOptions extends GlobalOptions {
  readonly lines?: true
  readonly channel?: string
  readonly timeout?: number
}

/** What the daemon waits for the peer's side unless told. Said here too, so that a send ends also where the daemon is gone. */
const TIMEOUT_MS = 10_000
/** Lines read and not yet sent: enough to keep the session busy, and a bound on memory. */
const UNSENT_COUNT_MAX = 2_048
const UNSENT_BYTES_MAX = 4 * 1024 * 1024

export function registerSend(program: Command, cli: CommandContext): void {
  const command = program
    .command('send')
    .description('send a message and print its ID')
    .argument('<peer>', 'name, ID, contact ID, or the start of one')
    .argument('[text]', 'the message; - or nothing: standard input to its end, byte for byte')
    .option('--lines', 'send each line of standard input as a message of its own')
    .option('--channel <channel>', 'the channel to send on')
    .option('--timeout <duration>', 'how long to wait for the peer (default: 10s)', parseDuration)
    .action(async (peer: string, text: string | undefined, _own, command: Command) => {
      const options = optionsOf<SendCommandOptions>(command)
      const fromInput = text === undefined || text === '-'
      if (options.lines && !fromInput) throw new UsageError('--lines reads standard input; leave the text out')
      await using parley = await cli.connect(options)
      if (fromInput && cli.host.stdin.isTTY) await cli.say('reading standard input; Ctrl-D ends it')
      await cli.say(`not durable: ${oneLine(peer)} gets it now, or not at all`)
      if (options.lines) return await sendLines(cli, parley, peer, options)
      const body = fromInput ? await readAll(cli.host.stdin, parley.hello.limits.messageBytesMax) : text
      await tell(cli, options, await parley.send(peer, body, sendOptions(options)))
    })
  addExamples(command, [
    'parley send bob "hello there"',
    'parley send bob --channel files < notes.txt',
    'tail -f app.log | parley send bob --lines --channel log'
  ])
}

function sendOptions({ channel, timeout }: SendCommandOptions): SendOptions {
  return { durable: false, timeoutMs: timeout ?? TIMEOUT_MS, ...(channel !== undefined && { channel }) }
}

/** Sends lines as they come, in order, and prints IDs as they are given. Stops at the first that fails. */
async function sendLines(
  cli: CommandContext,
  parley: Client,
  peer: string,
  options: SendCommandOptions
): Promise<void> {
  const unsent: { readonly receipt: Promise<Receipt>; readonly bytes: number }[] = []
  let unsentBytes = 0
  let sentCount = 0
  const settleOldest = async (): Promise<void> => {
    const oldest = unsent.shift()
    if (oldest === undefined) return
    const receipt = await oldest.receipt
    unsentBytes -= oldest.bytes
    sentCount++
    await tell(cli, options, receipt)
  }
  try {
    for await (const line of readLines(cli.host.stdin, parley.hello.limits.messageBytesMax)) {
      const receipt = parley.send(peer, line, sendOptions(options))
      // Those behind one that fails are told of by it.
      receipt.catch(() => {})
      unsent.push({ receipt, bytes: line.length })
      unsentBytes += line.length
      while (unsent.length > UNSENT_COUNT_MAX || unsentBytes > UNSENT_BYTES_MAX) await settleOldest()
    }
    while (unsent.length > 0) await settleOldest()
  } catch (error) {
    await settleSent(
      unsent.map(({ receipt }) => receipt),
      async receipt => {
        sentCount++
        await tell(cli, options, receipt)
      }
    )
    await cli.say(`${sentCount} sent before that failed`)
    throw error
  }
}

/** Tells of those that were on their way when another failed, in order. */
async function settleSent(
  receipts: readonly Promise<Receipt>[],
  onSent: (receipt: Receipt) => Promise<void>
): Promise<void> {
  for (const outcome of await Promise.allSettled(receipts)) {
    if (outcome.status === 'fulfilled') await onSent(outcome.value)
  }
}

async function tell(cli: CommandContext, options: GlobalOptions, receipt: Receipt): Promise<void> {
  await (options.json ? cli.out.writeJson({ id: receipt.id }) : cli.out.write(`${receipt.id}\n`))
}
