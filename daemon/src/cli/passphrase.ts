import { resolve } from 'node:path'
import { UsageError } from './command-errors.ts'
import type { CommandContext } from './context.ts'

const PASSPHRASE_CHARACTERS_MAX = 1_024
const [CTRL_C, CTRL_D, BACKSPACE, DELETE] = ['\u0003', '\u0004', '\b', '\u007f']

/** The flag of the settings for `--passphrase-file`. */
export function passphraseFileFlag(file: string | undefined): Record<string, string> {
  return file === undefined ? {} : { 'identity.passphraseFile': resolve(file) }
}

/**
 * Asks for a passphrase on the terminal, without showing it; undefined where standard input is none, or the owner gave up.
 *
 * @param what - "passphrase of the keyring"
 */
export async function promptPassphrase(cli: CommandContext, what: string): Promise<Uint8Array | undefined> {
  const { stdin } = cli.host
  if (stdin.isTTY !== true) return undefined
  await cli.sayPart(`${what}: `)
  const text = await readHidden(stdin)
  await cli.say('')
  return text === undefined || text === '' ? undefined : new TextEncoder().encode(text)
}

/**
 * A new passphrase: from a file, or typed twice.
 *
 * @throws {UsageError} where there is no file and nobody to ask, or the two differ; {DaemonError} those of the file
 */
export async function newPassphrase(
  cli: CommandContext,
  what: string,
  file: string | undefined,
  flag: string
): Promise<Uint8Array> {
  if (file !== undefined) return (await cli.offline()).readPassphraseFile(resolve(file))
  const first = await promptPassphrase(cli, what)
  if (first === undefined) throw new UsageError(`There is no ${what}.`, `Name a file with it: ${flag} FILE.`)
  const again = await promptPassphrase(cli, `${what}, again`)
  const isSame = again !== undefined && Buffer.compare(first, again) === 0
  again?.fill(0)
  if (!isSame) throw new UsageError('The two passphrases differ; nothing was changed.')
  return first
}

/** A line of a terminal in raw mode: nothing of it is echoed. */
function readHidden(stdin: NodeJS.ReadStream): Promise<string | undefined> {
  const { promise, resolve: done } = Promise.withResolvers<string | undefined>()
  const decoder = new TextDecoder()
  let typed: string[] = []
  const onData = (chunk: Uint8Array | string): void => {
    const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    for (const character of text) {
      const isEnd = character === '\r' || character === '\n'
      if (isEnd || character === CTRL_C || character === CTRL_D) {
        finish(isEnd ? typed.join('') : undefined)
        return
      }
      if (character === BACKSPACE || character === DELETE) typed = typed.slice(0, -1)
      else if (typed.length < PASSPHRASE_CHARACTERS_MAX) typed.push(character)
    }
  }
  const onEnd = (): void => finish(undefined)
  const finish = (line: string | undefined): void => {
    stdin.off('data', onData)
    stdin.off('end', onEnd)
    stdin.setRawMode(false)
    stdin.pause()
    done(line)
  }
  stdin.setRawMode(true)
  stdin.on('data', onData)
  stdin.on('end', onEnd)
  stdin.resume()
  return promise
}
