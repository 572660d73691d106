import { accessSync, constants, existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { addExamples, type CommandContext, optionsOf } from './context.ts'
import { whenGone } from './process-end.ts'
import { parseDuration } from './text.ts'

const TIMEOUT_MS = 30_000

export function registerDown(program: Command, cli: CommandContext): void {
  const command = program
    .command('down')
    .description('stop the daemon, and return when its process is gone and its socket removed')
    .option('--timeout <duration>', 'how long to wait for that (default: 30s)', parseDuration)
    .action(async (_own, command: Command) => {
      const options = optionsOf<{ timeout?: number }>(command)
      const timeoutMs = options.timeout ?? TIMEOUT_MS
      const deadline = await cli.deadline(timeoutMs, `The daemon was not gone within ${timeoutMs} ms.`)
      try {
        const pid = await stop(cli, options, deadline.signal)
        if (options.json) await cli.out.writeJson({ stopped: true, pid })
        else await cli.say('stopped')
      } finally {
        deadline.cancel()
      }
    })
  addExamples(command, ['parley down', 'parley down --home ./bob --timeout 5s'])
}

async function stop(cli: CommandContext, options: object, signal: AbortSignal): Promise<number> {
  const parley = await cli.connect(options, { signal })
  const { pid, socket } = await parley.status({ signal })
  await parley.shutdown({ signal })
  await parley.close({ drain: false })
  await whenGone(cli, pid, signal, () => existsSync(socket) && isWritable(dirname(socket)))
  return pid
}

/** On a disk that was made read-only a socket stays for good. */
function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false // Whatever the reason, nobody removes it from there.
  }
}
