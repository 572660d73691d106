import type { Client, VaultPeer } from '@parley/client-sdk'
import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { type CommandContext, type GlobalOptions, optionsOf } from './context.ts'
import { oneLine } from './text.ts'

/** What a use of the vault gives. */
export interface VaultOutput {
  readonly output: Uint8Array
  readonly peer?: VaultPeer
}

/** What a command of the vault reads and where it writes: standard input, as it comes, and standard output, once all of it holds. */
export async function useVault<T extends object>(
  cli: CommandContext,
  command: Command,
  use: (parley: Client, input: AsyncIterable<Uint8Array>, options: T & GlobalOptions) => Promise<VaultOutput>,
  remark?: (peer: string) => string
): Promise<void> {
  const options = optionsOf<T>(command)
  await using parley = await cli.connect(options)
  const { stdin } = cli.host
  if (stdin.isTTY) await cli.say('reading standard input; Ctrl-D ends it')
  const { output, peer } = await use(parley, stdin as AsyncIterable<Uint8Array>, options)
  if (options.json) {
    await cli.out.writeJson({ output: Buffer.from(output).toString('base64'), ...(peer && { peer }) })
    return
  }
  await cli.out.write(output)
  if (remark !== undefined && peer !== undefined) await cli.say(remark(oneLine(peer.name)))
}

/** The contact that a command cannot do without. @throws {UsageError} */
export function needed(peer: string | undefined, option: '--to' | '--from', name: string): string {
  if (peer !== undefined) return peer
  throw new UsageError(`say whose key it is: ${option} PEER`, `See \`parley ${name} --help\`.`)
}
