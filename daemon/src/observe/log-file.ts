import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'

const FILE_MODE = 0o600

/**
 * Opens a log file for a daemon that has no terminal and no service manager. Beyond `bytesMax` it becomes `<path>.1`, replacing
 * the one before, and a new one is begun: the two never hold more than twice that.
 *
 * @returns writes one line, synchronously, so that the last one before a crash is there too
 */
export function openLogFile(path: string, bytesMax: number): (line: string) => void {
  let file = openSync(path, 'a', FILE_MODE)
  let size = fstatSync(file).size
  return line => {
    const bytes = Buffer.from(line)
    try {
      if (size > 0 && size + bytes.length > bytesMax) {
        renameSync(path, `${path}.1`)
        closeSync(file)
        file = openSync(path, 'a', FILE_MODE)
        size = 0
      }
      size += writeSync(file, bytes)
    } catch {
      // A full disk stops the log, not the daemon; the store's health tells of the disk.
    }
  }
}
