import {
  type Client,
  type OpenInvitation,
  type PairingProgress,
  type PairingRun,
  ParleyError
} from '@parley/client-sdk'
import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { addExamples, type CommandContext, type GlobalOptions, optionsOf } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { readLines } from './lines.ts'
import { oneLine, table, textOf } from './text.ts'

interface PairOptions extends GlobalOptions {
  readonly at?: string
  readonly name?: string
  readonly renew?: string
  readonly qr?: true
}

const LINK_PREFIX = 'parley:pair:'
const LINE_BYTES_MAX = 8_192

export function registerPair(program: Command, cli: CommandContext): void {
  const command = program
    .command('pair')
    .description('become verified contacts with someone who is told a code, or given a link')
    .argument('[code-or-link]', 'what `parley pair` printed on the other host, or - to read it from standard input')
    .option('--at <multiaddr>', 'where the other daemon listens, for a code')
    .option('--name <name>', 'what to call the contact (default: its ID)')
    .option('--renew <contact>', 'give this contact the keys and the card of the other side')
    .option('--qr', 'show the link as a QR code too')
    .action(async (given: string | undefined, _own, command: Command) => {
      const options = optionsOf<PairOptions>(command)
      if (given === undefined && options.at !== undefined) throw new UsageError('--at goes with a code')
      if (given !== undefined && options.qr)
        throw new UsageError('--qr shows the link of an invitation: leave the code out')
      await pair(cli, given, options)
    })
  addExamples(command, [
    ['here', 'parley pair'],
    ['there, with the link', 'parley pair parley:pair:…'],
    ['there, with the code as it was told', 'parley pair 42-ozone-cactus --at /ip4/192.0.2.7/tcp/7390'],
    ['the link from another program', 'ssh alice parley pair --json | head -1 | jq -r .link | parley pair -'],
    ['bob has new keys', 'parley pair --renew bob']
  ])
}

async function pair(cli: CommandContext, given: string | undefined, options: PairOptions): Promise<void> {
  const secret = given === '-' ? await askSecret(cli) : given
  const isLink = secret?.startsWith(LINK_PREFIX) ?? false
  if (isLink && options.at !== undefined) throw new UsageError('a link says itself where to go: leave --at out')
  if (secret !== undefined && !isLink && options.at === undefined) {
    throw new UsageError(
      'a code needs --at, or paste the whole link',
      'Say where the other daemon listens: --at MULTIADDR.'
    )
  }
  const ending = new AbortController()
  const stop = (): void => ending.abort()
  cli.host.on('SIGINT', stop)
  cli.host.on('SIGTERM', stop)
  try {
    await using parley = await cli.connect(options, { signal: ending.signal })
    await follow(cli, parley, secret, options, AbortSignal.any([ending.signal, cli.out.gone]))
  } catch (error) {
    if (!ending.signal.aborted) throw error
    await cli.say('ended: the code is dead')
    cli.endWith(EXIT.undelivered)
  } finally {
    cli.host.off('SIGINT', stop)
    cli.host.off('SIGTERM', stop)
  }
}

async function follow(
  cli: CommandContext,
  parley: Client,
  secret: string | undefined,
  options: PairOptions,
  signal: AbortSignal
): Promise<void> {
  const { at, name, renew, json } = options
  // One line after the other, in the order of what happened.
  let told: Promise<void> = Promise.resolve()
  const onProgress = (progress: PairingProgress): void => {
    const text = progressText(progress)
    if (text !== undefined) told = told.then(() => cli.say(text))
  }
  const wishes = { name, renew, onProgress }
  let run: PairingRun
  if (secret === undefined) {
    const invitation = await parley.pairing.invite(wishes)
    await show(cli, invitation, options)
    run = invitation
  } else {
    run = await parley.pairing.join(secret, { ...wishes, at })
  }
  const { contact, name: called } = await endedBy(run, signal)
  await told
  if (json) return cli.out.writeJson({ contact, name: called, verified: true })
  await cli.out.write(`${oneLine(called)}\n`)
  const { id, fingerprint } = await parley.peers.get(contact)
  await cli.say(`verified as ${oneLine(called)}: ${oneLine(id)}, fingerprint ${fingerprint}`)
}

/** The outcome of a run; where the command is ended first, the run is ended in the daemon, and that is awaited. */
async function endedBy(run: PairingRun, signal: AbortSignal): Promise<{ contact: string; name: string }> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => {
    run.cancel().then(() => reject(signal.reason), reject)
  }
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    return await Promise.race([run.done(), aborted])
  } catch (error) {
    // The word of the daemon that it is over may come before the answer to the call that ended it.
    if (signal.aborted && error instanceof ParleyError && error.code === 'PAIRING_CANCELLED') throw signal.reason
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function show(cli: CommandContext, { code, link }: OpenInvitation, { json, qr }: PairOptions): Promise<void> {
  if (json) return cli.out.writeJson({ code, link })
  await cli.out.write(
    table([
      ['code', code],
      ['link', link]
    ])
  )
  if (qr) {
    const { qrCode } = await cli.offline()
    await cli.out.write(`${await qrCode(link)}\n`)
  }
  await cli.say('on the other host, within ten minutes: parley pair LINK, or parley pair CODE --at ADDRESS')
}

/** What a person is told of a step; nothing of the last ones, which end the command. */
function progressText({ state, role, detail, triesLeft, id }: PairingProgress): string | undefined {
  switch (state) {
    case 'open':
      return detail === undefined ? 'waiting…' : `a try broke off (${oneLine(detail)}): waiting…`
    case 'dialling':
      return 'looking for the other daemon…'
    case 'connected':
      return role === 'inviter' ? 'a daemon is here' : 'the other daemon is here'
    case 'comparing':
      return 'comparing the secrets…'
    case 'wrong-code':
      return `that was a wrong code: ${triesLeft ?? 0} of 3 tries are left`
    case 'matched':
      return 'the secrets match'
    case 'pending':
      return `${oneLine(id ?? 'the other daemon')} has shown its card: confirming…`
    case 'interrupted':
      return 'the connection broke off: waiting for the other daemon to come back…'
    case 'verified':
    case 'failed':
      return undefined
  }
}

/** The first line of standard input, which a terminal is asked for. */
async function askSecret(cli: CommandContext): Promise<string> {
  const { stdin } = cli.host
  if (stdin.isTTY) await cli.sayPart('link: ')
  const lines = readLines(stdin, LINE_BYTES_MAX)
  const { value } = await lines.next()
  await lines.return()
  const line = value === undefined ? '' : (textOf(value) ?? '').trim()
  if (line === '') throw new UsageError('standard input holds no link')
  return line
}
