import { existsSync, readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { addExamples, type CliHost, type CommandContext, optionsOf } from './context.ts'
import { parseDuration } from './text.ts'

const TIMEOUT_MS = 30_000
const LOOK_INTERVAL_MS = 25
/** How long an ended process may wait for its parent to notice; some parents never do. */
const ZOMBIE_LOOK_COUNT_MAX = 80

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
  const { pause } = await cli.offline()
  const parley = await cli.connect(options, { signal })
  const { pid, socket } = await parley.status({ signal })
  await parley.shutdown({ signal })
  await parley.close({ drain: false })
  let zombieLookCount = 0
  while (isThere(cli.host, pid) || existsSync(socket)) {
    if (isZombie(pid) && ++zombieLookCount > ZOMBIE_LOOK_COUNT_MAX) break
    await pause(LOOK_INTERVAL_MS, signal)
  }
  return pid
}

function isThere(host: CliHost, pid: number): boolean {
  try {
    host.kill(pid, 0)
    return true
  } catch (error) {
    // Any answer but "no such process" is that of a process, which may be another user's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Whether the process has ended and waits for its parent to notice, as under a container's first process. */
function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false // No /proc here, or gone in this moment: the next look tells.
  }
}
