import { type Client, newTransferId, type TransferInfo } from '@parley/client-sdk'
import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { addExamples, type CommandContext, type GlobalOptions, optionsOf } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { FileSource } from './file-source.ts'
import { Progress, sizeText } from './progress.ts'
import { oneLine, parseDuration } from './text.ts'
import { watchTransfers } from './transfer-watch.ts'

interface SendFileCommandOptions extends GlobalOptions {
  readonly resume?: string
  readonly timeout?: number
}

export function registerSendFile(program: Command, cli: CommandContext): void {
  const command = program
    .command('send-file')
    .description('send a file of any size, print its transfer ID, and wait until the other side has it')
    .argument('<peer>', 'name, ID, contact ID, or the start of one')
    .argument('<file>', 'a regular file, which must not change on the way')
    .option('--resume <id>', 'go on with the transfer of this ID', parseTransferId)
    .option(
      '--timeout <duration>',
      'end with exit status 6 after this time; the transfer can be resumed',
      parseDuration
    )
    .action(async (peer: string, file: string, _own, command: Command) => {
      await sendFile(cli, peer, file, optionsOf<SendFileCommandOptions>(command))
    })
  addExamples(command, [
    'parley send-file bob holiday.mp4',
    ['after Ctrl-C', 'parley send-file bob holiday.mp4 --resume 6f0c…']
  ])
}

function parseTransferId(text: string): string {
  if (/^[0-9a-f]{32}$/.test(text)) return text
  throw new UsageError(
    `"${oneLine(text)}" is no transfer ID`,
    'It has 32 characters, as `parley send-file` printed it.'
  )
}

async function sendFile(
  cli: CommandContext,
  peer: string,
  path: string,
  options: SendFileCommandOptions
): Promise<void> {
  await using source = await FileSource.open(path)
  const { clock } = await cli.offline()
  const ending = new AbortController()
  const stop = (): void => ending.abort()
  const late =
    options.timeout === undefined ? undefined : await cli.deadline(options.timeout, 'The file is not there yet.')
  const signal = AbortSignal.any([ending.signal, cli.out.gone, ...(late === undefined ? [] : [late.signal])])
  const id = options.resume ?? newTransferId()
  const progress = new Progress(cli, clock, options.json === true)
  cli.host.on('SIGINT', stop)
  cli.host.on('SIGTERM', stop)
  try {
    await using parley = await cli.connect(options, { signal })
    await parley.peers.get(peer, { signal })
    await (options.json ? cli.out.writeJson({ transfer: id }) : cli.out.write(`${id}\n`))
    const onProgress = (position: number, size: number) => progress.update(id, source.name, position, size)
    const watched = watch(cli, parley, id, progress, signal)
    const { sha256 } = await parley.transfers.send(peer, source, { id, signal, onProgress }).finally(watched.end)
    await progress.remove(id)
    if (options.json) await cli.out.writeJson({ transfer: id, state: 'done', size: source.size, sha256 })
    else await cli.say(`${oneLine(peer)} has ${oneLine(source.name)}, ${sizeText(source.size)}`)
  } catch (error) {
    await progress.clear()
    if (ending.signal.aborted || late?.signal.aborted) {
      await cli.say(`paused; go on with: parley send-file ${oneLine(peer)} ${oneLine(path)} --resume ${id}`)
    }
    if (!ending.signal.aborted || error !== ending.signal.reason) throw error
    cli.endWith(EXIT.undelivered)
  } finally {
    late?.cancel()
    cli.host.off('SIGINT', stop)
    cli.host.off('SIGTERM', stop)
  }
}

/** Says whom the transfer waits for, whenever that is different. */
function watch(
  cli: CommandContext,
  parley: Client,
  id: string,
  progress: Progress,
  signal: AbortSignal
): { readonly end: () => Promise<void> } {
  let said: string | undefined
  return watchTransfers(parley, signal, async transfers => {
    const text = waitText(transfers.find(({ transfer }) => transfer === id))
    if (text === said) return
    said = text
    await progress.clear()
    if (text !== undefined) await cli.say(text)
  })
}

function waitText(info: TransferInfo | undefined): string | undefined {
  if (info === undefined || info.waitsFor === null || info.waitsFor === 'app') return undefined
  const peer = oneLine(info.peer)
  if (info.waitsFor === 'peer')
    return info.lastEnd === null ? undefined : `${peer} cannot be reached (${info.lastEnd}): waiting`
  return info.state === 'offered'
    ? `waiting until a program of ${peer} takes the file: \`parley receive-files\` there`
    : `the program of ${peer} has left: waiting`
}
