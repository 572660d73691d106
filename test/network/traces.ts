import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** The command lines of the processes, of this user at least, that name a folder. Those that have ended have none. */
export function processesOf(folder: string): string[] {
  return commandLines().filter(line => line.includes(folder))
}

function commandLines(): string[] {
  if (!existsSync('/proc/self/cmdline'))
    return spawnSync('ps', ['-axo', 'args'], { encoding: 'utf8' }).stdout.split('\n')
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      } catch {
        return '' // It ended in this moment, or is another user's.
      }
    })
}
