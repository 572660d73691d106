import { readFileSync } from 'node:fs'
import type { CliHost, CommandContext } from './context.ts'

const LOOK_INTERVAL_MS = 25
/** How long an ended process may wait for its parent to notice; some parents never do. */
const ZOMBIE_LOOK_COUNT_MAX = 80

/** Resolves once a process is gone, and `isLeft` says that nothing is left of it. @throws the signal's reason */
export async function whenGone(
  cli: CommandContext,
  pid: number,
  signal: AbortSignal,
  isLeft: () => boolean = () => false
): Promise<void> {
  const { pause } = await cli.offline()
  let zombieLookCount = 0
  while (isThere(cli.host, pid) || isLeft()) {
    if (isZombie(pid) && ++zombieLookCount > ZOMBIE_LOOK_COUNT_MAX) break
    await pause(LOOK_INTERVAL_MS, signal)
  }
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
