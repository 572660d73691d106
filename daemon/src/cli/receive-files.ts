import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Client, type IncomingFile, ParleyError } from '@parley/client-sdk'
import type { Command } from 'commander'
import { addExamples, type CommandContext, type GlobalOptions, optionsOf } from './context.ts'
import { onFile } from './file-error.ts'
import { FileTarget } from './file-target.ts'
import { Progress, sizeText } from './progress.ts'
import { oneLine, parseCount, parseDuration } from './text.ts'

interface ReceiveFilesOptions extends GlobalOptions {
  readonly to?: string
  readonly from?: string
  readonly count?: number
  readonly timeout?: number
}

export function registerReceiveFiles(program: Command, cli: CommandContext): void {
  const command = program
    .command('receive-files')
    .description('take the files that contacts send, until Ctrl-C, and print where they are')
    .option('--to <dir>', 'the folder to put them in (default: this one)')
    .option('--from <peer>', 'of one contact only')
    .option('--count <number>', 'end after so many files', parseCount)
    .option('--timeout <duration>', 'end with exit status 6 after this time', parseDuration)
    .action(async (_own, command: Command) => {
      await receiveFiles(cli, optionsOf<ReceiveFilesOptions>(command))
    })
  addExamples(command, ['parley receive-files --to ~/Downloads', 'parley receive-files --from bob --count 1 --json'])
}

async function receiveFiles(cli: CommandContext, options: ReceiveFilesOptions): Promise<void> {
  const ending = new AbortController()
  const stop = (): void => ending.abort()
  const late =
    options.timeout === undefined ? undefined : await cli.deadline(options.timeout, 'The files did not come in time.')
  const signals = [ending.signal, cli.out.gone, ...(late === undefined ? [] : [late.signal])]
  cli.host.on('SIGINT', stop)
  cli.host.on('SIGTERM', stop)
  try {
    const signal = AbortSignal.any(signals)
    const dir = resolve(options.to ?? '.')
    await onFile(dir, 'made', () => mkdir(dir, { recursive: true }))
    await using parley = await cli.connect(options, { signal })
    await new Receiving(cli, parley, options, dir, (await cli.offline()).clock).run(signal)
    late?.signal.throwIfAborted()
    cli.out.gone.throwIfAborted()
  } catch (error) {
    // Told to end, it pauses what is on its way: the next call goes on with it.
    if (!ending.signal.aborted || error !== ending.signal.reason) throw error
  } finally {
    late?.cancel()
    cli.host.off('SIGINT', stop)
    cli.host.off('SIGTERM', stop)
  }
}

/** Everything that one call receives. */
class Receiving {
  readonly #cli: CommandContext
  readonly #parley: Client
  readonly #options: ReceiveFilesOptions
  readonly #dir: string
  readonly #progress: Progress
  readonly #ending = new AbortController()
  readonly #underWay = new Set<Promise<void>>()
  #leftCount: number
  #failure: { readonly error: unknown } | undefined

  constructor(
    cli: CommandContext,
    parley: Client,
    options: ReceiveFilesOptions,
    dir: string,
    clock: { monotonicMs(): number }
  ) {
    this.#cli = cli
    this.#parley = parley
    this.#options = options
    this.#dir = dir
    this.#leftCount = options.count ?? Number.POSITIVE_INFINITY
    this.#progress = new Progress(cli, clock, options.json === true)
  }

  async run(signal: AbortSignal): Promise<void> {
    const ended = AbortSignal.any([signal, this.#ending.signal])
    const { from } = this.#options
    const contact = from === undefined ? undefined : (await this.#parley.peers.get(from, { signal })).contact
    await this.#cli.say(`receiving into ${oneLine(this.#dir)}`)
    for await (const file of this.#parley.transfers.offers({ signal: ended })) {
      if (contact !== undefined && file.info.contact !== contact) continue
      const received = this.#receive(file, ended).catch((error: unknown) => this.#failed(error))
      this.#underWay.add(received)
      void received.finally(() => this.#underWay.delete(received))
    }
    await Promise.all(this.#underWay)
    await this.#progress.clear()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #receive(file: IncomingFile, signal: AbortSignal): Promise<void> {
    const { transfer, peer, name, size } = file.info
    await using target = await FileTarget.open(this.#dir, file.info)
    await this.#say(`${oneLine(peer)} sends ${oneLine(name)}, ${sizeText(size)}`)
    try {
      const onProgress = (position: number) => this.#progress.update(transfer, name, position, size)
      const { sha256, confirmed } = await file.accept(target, { signal, onProgress })
      if (confirmed) await target.forget()
      await this.#progress.remove(transfer)
      await this.#tell(file, target.path, sha256)
    } catch (error) {
      await this.#progress.remove(transfer)
      if (signal.aborted || !isOfOneFile(error)) throw error
      if (error.code !== 'TRANSFER_BUSY' && error.code !== 'NO_SUCH_TRANSFER') {
        await target.discard()
        await this.#say(`${oneLine(name)} from ${oneLine(peer)}: ${oneLine(error.message)}`)
      }
    }
  }

  async #tell({ info }: IncomingFile, path: string, sha256: string): Promise<void> {
    const { transfer, contact, peer, name, size } = info
    if (this.#options.json) await this.#cli.out.writeJson({ transfer, contact, peer, name, path, size, sha256 })
    else await this.#cli.out.write(`${oneLine(path)}\n`)
    if (--this.#leftCount === 0) this.#ending.abort()
  }

  async #say(text: string): Promise<void> {
    await this.#progress.clear()
    await this.#cli.say(text)
  }

  /** One that fails for a reason of this host ends them all: they pause, and the next call goes on with them. */
  #failed(error: unknown): void {
    if (this.#ending.signal.aborted && error === this.#ending.signal.reason) return
    this.#failure ??= { error }
    this.#ending.abort()
  }
}

/** What ends one file and says nothing of the others. */
function isOfOneFile(error: unknown): error is ParleyError {
  return (
    error instanceof ParleyError &&
    ['TRANSFER_CANCELLED', 'TRANSFER_CORRUPT', 'TRANSFER_BUSY', 'NO_SUCH_TRANSFER'].includes(error.code)
  )
}
