import { readFileSync } from 'node:fs'

/** Whether a process is there. One that has ended and waits for its parent to notice is not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // Any answer but "no such process" is that of a process, which may be another user's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
  try {
    return !/^\d+ \(.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true // No /proc here, or gone in this moment: the next look tells.
  }
}
