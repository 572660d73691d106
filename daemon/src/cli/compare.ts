import { createReadStream } from 'node:fs'
import { type Client, type CompareResult, ParleyError, type WaitingComparison } from '@parley/client-sdk'
import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { addExamples, type CommandContext, type GlobalOptions, optionsOf } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { onFile } from './file-error.ts'
import { promptPassphrase } from './passphrase.ts'
import { oneLine, parseDuration, textOf } from './text.ts'

interface CompareCommandOptions extends GlobalOptions {
  readonly secretFile?: string
  readonly question?: string
  readonly verify?: true
  readonly timeout?: number
}

const SECRET_BYTES_MAX = 4_096
const LINE_END_BYTES = 2
const QUESTION_LENGTH_MAX = 200

export function registerCompare(program: Command, cli: CommandContext): void {
  const command = program
    .command('compare')
    .description(
      'find out with a contact whether both hold the same secret, and tell nobody anything else of it: the same command on both hosts'
    )
    .argument('<peer>', 'name, ID, contact ID, or the start of one')
    .option(
      '--secret-file <file>',
      'read the secret from a file, or from standard input with "-"; else it is asked for'
    )
    .option('--question <text>', 'shown on the other side, at most 200 characters', parseQuestion)
    .option('--verify', 'a match makes each side the other’s verified contact, where both say so')
    .option('--timeout <duration>', 'how long the other side may take to answer; 5 minutes unless given', parseDuration)
    .action(async (peer: string, _own, command: Command) => {
      await compare(cli, peer, optionsOf<CompareCommandOptions>(command))
    })
  addExamples(command, [
    'parley compare bob --question "What did we eat on Friday?"',
    ['on the other host', 'parley compare alice'],
    ['to become verified contacts', 'parley compare bob --verify']
  ])
}

function parseQuestion(text: string): string {
  if (text.length <= QUESTION_LENGTH_MAX) return text
  throw new UsageError(`A question has at most ${QUESTION_LENGTH_MAX} characters, this one ${text.length}.`)
}

async function compare(cli: CommandContext, peer: string, options: CompareCommandOptions): Promise<void> {
  await using parley = await cli.connect(options, { signal: cli.out.gone })
  const { contact, name } = await parley.peers.get(peer)
  const { comparisons } = await parley.status()
  const waiting = comparisons.find(each => each.contact === contact)
  const shownName = oneLine(name)
  try {
    const result =
      waiting === undefined
        ? await start(cli, parley, { contact, name: shownName }, options)
        : await answer(cli, parley, waiting, options)
    await tell(cli, result, shownName, options)
  } catch (error) {
    throw refusalOf(error, shownName)
  }
}

async function start(
  cli: CommandContext,
  parley: Client,
  { contact, name }: { readonly contact: string; readonly name: string },
  options: CompareCommandOptions
): Promise<CompareResult> {
  const { question = '', verify, timeout } = options
  const secret = await readSecret(cli, options)
  await cli.say(`waiting for ${name}: there, \`parley compare ${oneLine(parley.id)}\``)
  try {
    return await parley.call(
      'compare.start',
      {
        peer: contact,
        secret,
        ...(question !== '' && { question }),
        ...(verify && { purpose: 'verify' }),
        ...(timeout !== undefined && { timeoutMs: timeout })
      },
      { signal: cli.out.gone }
    )
  } catch (error) {
    // The contact has started one meanwhile.
    const waiting = (await parley.status()).comparisons.find(each => each.contact === contact)
    if (!(error instanceof ParleyError) || error.code !== 'COMPARE_WAITING' || waiting === undefined) throw error
    const isSame = waiting.question === '' || waiting.question === question
    return await answer(cli, parley, waiting, options, isSame ? secret : undefined)
  } finally {
    secret.fill(0)
  }
}

/** Answers what waits; with the secret that is at hand, or one that is read now. */
async function answer(
  cli: CommandContext,
  parley: Client,
  { compare: id, name, question, purpose }: WaitingComparison,
  options: CompareCommandOptions,
  given?: Uint8Array
): Promise<CompareResult> {
  const asks = question === '' ? 'has started a comparison' : `asks: ${oneLine(question)}`
  await cli.say(`${oneLine(name)} ${asks}`)
  if (purpose === 'verify' && options.verify !== true)
    await cli.say('a match verifies nobody unless you say --verify too')
  const secret = given ?? (await readSecret(cli, options))
  try {
    const own = { compare: id, secret, ...(options.verify && ({ purpose: 'verify' } as const)) }
    return await parley.call('compare.answer', own, { signal: cli.out.gone })
  } finally {
    secret.fill(0)
  }
}

async function tell(
  cli: CommandContext,
  { compare: id, verdict, verified }: CompareResult,
  name: string,
  { json, verify }: CompareCommandOptions
): Promise<void> {
  if (json) await cli.out.writeJson({ compare: id, peer: name, verdict, verified })
  else await cli.out.write(`${VERDICTS[verdict](name)}\n`)
  if (verified) await cli.say(`${name} is a verified contact now`)
  else if (verify && verdict === 'match') await cli.say(`${name} did not say --verify: nothing has changed`)
  if (verdict !== 'match') cli.endWith(EXIT.untrusted)
}

const VERDICTS = {
  match: (name: string) => `match: ${name} holds the same secret`,
  'no-match': (name: string) => `no match: ${name} holds another secret`,
  disagree: (name: string) => `disagree: only one side found a match, or ${name} did not say; do not rely on it`
}

/** Why the other side ended it, under the code that says it best. */
function refusalOf(error: unknown, name: string): unknown {
  if (!(error instanceof ParleyError) || error.code !== 'COMPARE_REFUSED') return error
  const { reason } = error.data
  if (reason === 'LOCKED')
    return new ParleyError('COMPARE_LOCKED', `too many comparisons came to no match on the side of ${name}`)
  if (reason === 'TIMED_OUT') return new ParleyError('TIMED_OUT', `${name} gave up waiting`)
  if (reason === 'DECLINED') return new ParleyError('COMPARE_REFUSED', `${name} declined`, { data: error.data })
  return error
}

/** The secret, in a buffer of its own. @throws {UsageError} {ParleyError} `FILE_FAILED` */
async function readSecret(cli: CommandContext, { secretFile }: CompareCommandOptions): Promise<Uint8Array> {
  const typed = secretFile === undefined ? await promptPassphrase(cli, 'secret to compare') : undefined
  const read = secretFile === undefined ? typed : await readAll(cli, secretFile)
  if (read === undefined)
    throw new UsageError('There is no secret.', 'Type it on a terminal, or name a file: --secret-file FILE, or "-".')
  const secret = canonical(read)
  read.fill(0)
  if (secret.length > 0 && secret.length <= SECRET_BYTES_MAX) return secret
  throw new UsageError(`A secret has 1 to ${SECRET_BYTES_MAX} bytes.`)
}

async function readAll(cli: CommandContext, file: string): Promise<Uint8Array> {
  const source: AsyncIterable<Uint8Array | string> = file === '-' ? cli.host.stdin : createReadStream(file)
  const chunks: Buffer[] = []
  let length = 0
  await onFile(file, 'read', async () => {
    for await (const chunk of source) {
      const bytes = Buffer.from(chunk)
      chunks.push(bytes)
      length += bytes.length
      if (length > SECRET_BYTES_MAX + LINE_END_BYTES) break
    }
  })
  const all = Uint8Array.from(Buffer.concat(chunks))
  for (const chunk of chunks) chunk.fill(0)
  return all
}

/** Without the line end at its end, which an editor put there; text in NFC, so that what looks the same is the same. */
function canonical(bytes: Uint8Array): Uint8Array {
  const text = textOf(bytes)
  if (text === undefined) return Uint8Array.from(bytes)
  return new TextEncoder().encode(text.replace(/\r?\n$/, '').normalize('NFC'))
}
