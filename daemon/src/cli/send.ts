import type { Client, MessageGoal, PeerInfo, Receipt, SendOptions } from '@parley/client-sdk'
import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { addExamples, type CommandContext, type GlobalOptions, optionsOf } from './context.ts'
import { readAll, readLines } from './lines.ts'
import { durationText, oneLine, parseDuration } from './text.ts'

interface SendCommandOptions extends GlobalOptions {
  readonly lines?: true
  readonly channel?: string
  /** False with `--not-durable`. */
  readonly durable?: false
  readonly ttl?: number
  readonly wait?: MessageGoal
  readonly whenFull?: 'wait' | 'fail'
  readonly timeout?: number
}

/** What the daemon waits for the peer's side unless told. Said here too, so that a send ends also where the daemon is gone. */
const TIMEOUT_MS = 10_000
/** Lines read and not yet accepted: enough to keep the daemon busy, and a bound on memory. */
const UNSENT_COUNT_MAX = 2_048
const UNSENT_BYTES_MAX = 4 * 1024 * 1024
/** Receipts that `--wait` waits for at a time. */
const AWAITED_COUNT_MAX = 10_000

export function registerSend(program: Command, cli: CommandContext): void {
  const command = program
    .command('send')
    .description('send a message and print its ID: it is on disk here, and goes to the peer as soon as it is there')
    .argument('<peer>', 'name, ID, contact ID, or the start of one')
    .argument('[text]', 'the message; - or nothing: standard input to its end, byte for byte')
    .option('--lines', 'send each line of standard input as a message of its own')
    .option('--channel <channel>', 'the channel to send on')
    .option(
      '--ttl <duration>',
      'give it up when the peer does not have it after this time (default: 7d)',
      parseDuration
    )
    .option(
      '--wait <state>',
      'end when the peer has it on its disk (stored), or an app there took it (handled)',
      parseGoal
    )
    .option('--when-full <what>', 'when too much waits for that peer: wait (default), or fail', parseWhenFull)
    .option('--not-durable', 'send it now or not at all; the peer must be there, and a program there must listen')
    .option(
      '--timeout <duration>',
      'end after this time, with exit status 6 where --wait was not reached',
      parseDuration
    )
    .action(async (peer: string, text: string | undefined, _own, command: Command) => {
      const options = readOptions(command)
      const fromInput = text === undefined || text === '-'
      if (options.lines && !fromInput) throw new UsageError('--lines reads standard input; leave the text out')
      await send(cli, peer, fromInput ? undefined : text, options)
    })
  addExamples(command, [
    'parley send bob "hello there"',
    'parley send bob --channel files < notes.txt',
    ['until an app of bob took it', 'parley send bob "are you there?" --wait handled --timeout 10s'],
    'tail -f app.log | parley send bob --lines --channel log'
  ])
}

function readOptions(command: Command): SendCommandOptions {
  // Commander knows `--not-durable` as an option of its own name.
  const { notDurable, ...rest } = optionsOf<SendCommandOptions & { readonly notDurable?: true }>(command)
  const options: SendCommandOptions = notDurable ? { ...rest, durable: false } : rest
  if (notDurable && (options.ttl !== undefined || options.wait !== undefined || options.whenFull !== undefined)) {
    throw new UsageError('--ttl, --wait and --when-full are for durable messages; leave --not-durable out')
  }
  return options
}

function parseGoal(text: string): MessageGoal {
  if (text === 'stored' || text === 'handled') return text
  throw new UsageError(`cannot wait for "${oneLine(text)}"`, 'Wait for stored, or for handled.')
}

function parseWhenFull(text: string): 'wait' | 'fail' {
  if (text === 'wait' || text === 'fail') return text
  throw new UsageError(`"${oneLine(text)}" is neither wait nor fail`)
}

async function send(
  cli: CommandContext,
  peer: string,
  text: string | undefined,
  options: SendCommandOptions
): Promise<void> {
  const { timeout: timeoutMs, wait } = options
  const late =
    wait === undefined || timeoutMs === undefined
      ? undefined
      : await cli.deadline(timeoutMs, `It was not ${wait} within ${timeoutMs} ms; what was accepted goes on its way.`)
  try {
    await using parley = await cli.connect(options, { ...(late && { signal: late.signal }) })
    if (text === undefined && cli.host.stdin.isTTY) await cli.say('reading standard input; Ctrl-D ends it')
    if (options.durable === false) await cli.say(`not durable: ${oneLine(peer)} gets it now, or not at all`)
    const sending = new Sending(cli, parley, peer, options, late?.signal)
    if (options.lines) await sending.sendLines()
    else await sending.sendOne(text ?? (await readAll(cli.host.stdin, parley.hello.limits.messageBytesMax)))
    await sending.end()
  } finally {
    late?.cancel()
  }
}

/** Lines until the input or the user ends it: then what was read is still sent. A second interrupt ends the process at once. */
async function* linesUntilInterrupted(cli: CommandContext, lineBytesMax: number): AsyncGenerator<Uint8Array> {
  const { promise: interrupted, resolve } = Promise.withResolvers<undefined>()
  const stop = (): void => resolve(undefined)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) cli.host.on(signal, stop)
  try {
    const lines = readLines(cli.host.stdin, lineBytesMax)
    for (;;) {
      const next = lines.next()
      const result = await Promise.race([next, interrupted])
      if (result === undefined) {
        // Nothing more of it is wanted, nor how it ends.
        next.catch(() => {})
        cli.host.stdin.destroy()
      }
      if (result === undefined || result.done) return
      yield result.value
    }
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) cli.host.off(signal, stop)
  }
}

/** One command's messages, from the first to what is said of them at the end. */
class Sending {
  readonly #cli: CommandContext
  readonly #parley: Client
  readonly #peer: string
  readonly #options: SendCommandOptions
  readonly #signal: AbortSignal | undefined
  readonly #unsent: { readonly receipt: Promise<Receipt>; readonly bytes: number }[] = []
  readonly #awaited: Promise<MessageGoal>[] = []
  #unsentBytes = 0
  #sentCount = 0
  #last: Receipt | undefined

  constructor(
    cli: CommandContext,
    parley: Client,
    peer: string,
    options: SendCommandOptions,
    signal: AbortSignal | undefined
  ) {
    this.#cli = cli
    this.#parley = parley
    this.#peer = peer
    this.#options = options
    this.#signal = signal
  }

  async sendOne(body: Uint8Array | string): Promise<void> {
    await this.#sent(await this.#send(body))
  }

  /** Sends lines as they come, in order, and prints IDs as they are given. Stops at the first that fails. */
  async sendLines(): Promise<void> {
    try {
      for await (const line of linesUntilInterrupted(this.#cli, this.#parley.hello.limits.messageBytesMax)) {
        const receipt = this.#send(line)
        // Those behind one that fails are told of by it.
        receipt.catch(() => {})
        this.#unsent.push({ receipt, bytes: line.length })
        this.#unsentBytes += line.length
        while (this.#unsent.length > UNSENT_COUNT_MAX || this.#unsentBytes > UNSENT_BYTES_MAX)
          await this.#settleOldest()
      }
      while (this.#unsent.length > 0) await this.#settleOldest()
    } catch (error) {
      await this.#settleRest()
      const verb = this.#options.durable === false ? 'sent' : 'accepted'
      await this.#cli.say(`${this.#sentCount} ${verb} before that failed`)
      throw error
    }
  }

  /** Says what waits, or waits for what was asked for. */
  async end(): Promise<void> {
    if (this.#options.durable === false || this.#last === undefined) return
    if (this.#options.wait === undefined) await this.#sayWhatWaits(this.#last)
    else await Promise.all(this.#awaited)
  }

  #send(body: Uint8Array | string): Promise<Receipt> {
    const { channel, durable, ttl, timeout, wait, whenFull } = this.#options
    const timeoutMs = durable === false ? (timeout ?? TIMEOUT_MS) : wait === undefined ? timeout : undefined
    const options: SendOptions = { channel, durable, ttlMs: ttl, whenFull, timeoutMs, signal: this.#signal }
    return this.#parley.send(this.#peer, body, options)
  }

  async #settleOldest(): Promise<void> {
    const oldest = this.#unsent[0]
    if (oldest === undefined) return
    const receipt = await oldest.receipt
    this.#unsent.shift()
    this.#unsentBytes -= oldest.bytes
    await this.#sent(receipt)
  }

  /** Tells of those that were on their way when another failed, in order. */
  async #settleRest(): Promise<void> {
    for (const outcome of await Promise.allSettled(this.#unsent.map(({ receipt }) => receipt))) {
      if (outcome.status === 'fulfilled') await this.#sent(outcome.value)
    }
  }

  async #sent(receipt: Receipt): Promise<void> {
    const { json, wait } = this.#options
    this.#sentCount++
    this.#last = receipt
    await (json ? this.#cli.out.writeJson(receipt) : this.#cli.out.write(`${receipt.id}\n`))
    if (wait === undefined) return
    if (this.#awaited.length >= AWAITED_COUNT_MAX) await this.#awaited.shift()
    const reached = receipt[wait]({ signal: this.#signal })
    // The first that fails is told of at the end.
    reached.catch(() => {})
    this.#awaited.push(reached)
  }

  async #sayWhatWaits({ expiresAt }: Receipt): Promise<void> {
    // It was accepted all the same where the contact is renamed or removed in this moment.
    const peer = await this.#parley.peers.get(this.#peer).catch(() => undefined)
    if (peer === undefined || isInSession(peer)) return
    const { clock } = await this.#cli.offline()
    const left = expiresAt === undefined ? '' : `, expires in ${leftText(expiresAt.getTime() - clock.wallMs())}`
    await this.#cli.say(`${oneLine(peer.name)} is offline: queued${left}`)
  }
}

function isInSession({ session }: PeerInfo): boolean {
  return session.state === 'established' || session.state === 'rekeying'
}

/** Rounded up, as a person has just said how long. */
function leftText(leftMs: number): string {
  const unitMs = leftMs > 600_000 ? 60_000 : 1_000
  return durationText(Math.ceil(leftMs / unitMs) * unitMs)
}
