import type { Client, From, Message } from '@parley/client-sdk'
import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { addExamples, type CommandContext, type GlobalOptions, optionsOf } from './context.ts'
import { oneLine, parseCount, parseDuration, textOf } from './text.ts'

interface ListenOptions extends GlobalOptions {
  readonly channel?: string
  readonly consumer?: string
  readonly from?: From
  readonly look?: true
  readonly count?: number
  readonly takeover?: true
  readonly timeout?: number
}

const DEFAULT_CONSUMER = 'cli'

export function registerListen(program: Command, cli: CommandContext): void {
  const command = program
    .command('listen')
    .description('print messages, those that waited first; each is acknowledged once its line was written')
    .option('--channel <channel>', 'of one channel only')
    .option('--consumer <name>', 'read under this name (default: cli, or cli:CHANNEL)')
    .option('--from <place>', 'where a new consumer, or a look, begins: start, now, or an index', parseFrom)
    .option('--look', 'look without acknowledging: everything comes again next time')
    .option('--count <number>', 'end after so many messages', parseCount)
    .option('--takeover', 'end the other program that reads as this consumer')
    .option('--timeout <duration>', 'end with exit status 6 after this time', parseDuration)
    .action(async (_own, command: Command) => {
      const options = optionsOf<ListenOptions>(command)
      if (options.look && (options.consumer !== undefined || options.takeover)) {
        throw new UsageError('--look reads as nobody; leave --consumer and --takeover out')
      }
      await listen(cli, options)
    })
  addExamples(command, [
    'parley listen',
    ['the next message, for a script', 'parley listen --json --count 1 | jq -r .text'],
    ['everything that is kept, and leave it there', 'parley listen --look --from start']
  ])
}

function parseFrom(text: string): From {
  if (text === 'start' || text === 'now') return text
  if (!/^[1-9]\d{0,14}$/.test(text)) {
    throw new UsageError(
      `"${oneLine(text)}" is no place to begin`,
      'Write start, now, or the index of a message, as `parley listen --json` prints it.'
    )
  }
  return { after: Number(text) - 1 }
}

async function listen(cli: CommandContext, options: ListenOptions): Promise<void> {
  const ending = new AbortController()
  const stop = (): void => ending.abort()
  const late =
    options.timeout === undefined ? undefined : await cli.deadline(options.timeout, lateText(options.timeout))
  const signals = [ending.signal, cli.out.gone, ...(late === undefined ? [] : [late.signal])]
  cli.host.on('SIGINT', stop)
  cli.host.on('SIGTERM', stop)
  try {
    const signal = AbortSignal.any(signals)
    await using parley = await cli.connect(options, { signal })
    await printMessages(cli, parley, options, signal)
    late?.signal.throwIfAborted()
    cli.out.gone.throwIfAborted()
  } catch (error) {
    // Told to end before it listened, it ends as it does later.
    if (!ending.signal.aborted || error !== ending.signal.reason) throw error
  } finally {
    late?.cancel()
    cli.host.off('SIGINT', stop)
    cli.host.off('SIGTERM', stop)
  }
}

async function printMessages(
  cli: CommandContext,
  parley: Client,
  options: ListenOptions,
  signal: AbortSignal
): Promise<void> {
  const { channel, count = Number.POSITIVE_INFINITY, from = 'start', look = false, takeover = false } = options
  const consumer = look
    ? null
    : (options.consumer ?? (channel === undefined ? DEFAULT_CONSUMER : `${DEFAULT_CONSUMER}:${channel}`))
  await using messages = parley.messages({ consumer, from, takeover, signal, channel })
  await messages.ready().catch((error: unknown) => {
    signal.throwIfAborted()
    throw error
  })
  await cli.say('listening')
  const acks = new Acks()
  let writtenCount = 0
  for await (const message of messages) {
    await (options.json ? cli.out.writeJson(messageJson(message)) : cli.out.write(messageText(message)))
    if (!look) acks.add(message.ack())
    if (++writtenCount >= count) break
    acks.throwIfFailed()
  }
  await Promise.race([acks.last, whenAborted(signal)])
}

function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** Acks under way: none is waited for but the last, and none may fail unseen. */
class Acks {
  last: Promise<void> = Promise.resolve()
  #failure: { readonly error: unknown } | undefined

  add(ack: Promise<void>): void {
    this.last = ack
    ack.catch((error: unknown) => {
      this.#failure ??= { error }
    })
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

/** A message as `listen --json` prints it: `body` in base64, `text` where it is UTF-8, and the two remarks where they are true. */
function messageJson(message: Message): Record<string, unknown> {
  const { index, id, from, fromName, channel, sentAt, redelivered, maybeDuplicate, body } = message
  const text = textOf(body)
  const base64 = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64')
  return {
    index,
    id,
    from,
    fromName,
    channel,
    sentAt: sentAt.getTime(),
    body: base64,
    ...(text !== undefined && { text }),
    ...(redelivered && { redelivered }),
    ...(maybeDuplicate && { maybeDuplicate })
  }
}

/** A message on one line for people; what does not print is replaced, and what is no text is not shown. */
function messageText(message: Message): string {
  const { fromName, channel, body } = message
  const text = textOf(body)
  const shown = text === undefined ? `[${body.length} bytes that are no text]` : oneLine(text)
  return `${oneLine(fromName)} [${oneLine(channel)}]: ${shown}\n`
}

function lateText(timeoutMs: number): string {
  return `The messages that were asked for did not come within ${timeoutMs} ms.`
}
