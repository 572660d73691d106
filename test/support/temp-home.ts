import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that is there for one test: a daemon's `--home`, or a place to install into. */
export interface TempHome extends Disposable {
  readonly path: string
  /** The path of a file inside. */
  file(name: string): string
  /** Removes the folder and all that is in it. Safe to call twice. */
  remove(): void
}

/**
 * Makes an empty folder, mode 0700. Its path is short, because a Unix socket's is at most 107 bytes.
 *
 * Removed by `remove`, by `using`, and at the latest when this process ends.
 */
export function makeTempHome(): TempHome {
  const path = mkdtempSync(join(tmpdir(), 'parley-'))
  const remove = (): void => {
    process.off('exit', remove)
    rmSync(path, { recursive: true, force: true, maxRetries: 3 })
  }
  process.on('exit', remove)
  return { path, file: name => join(path, name), remove, [Symbol.dispose]: remove }
}
