import { execFileSync } from 'node:child_process'
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A file system of a few MiB in memory, at a folder of its own. Needs the right to mount. */
export class SmallDisk implements Disposable {
  readonly path: string
  readonly #ballast: string

  private constructor(path: string) {
    this.path = path
    this.#ballast = join(path, 'ballast')
  }

  /** Undefined, with nothing left behind, where this process may not mount. */
  static mount(path: string, sizeBytes: number): SmallDisk | undefined {
    mkdirSync(path, { mode: 0o700 })
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes},mode=0700`, 'tmpfs', path], { stdio: 'ignore' })
    } catch {
      rmSync(path, { recursive: true }) // `mount` is missing or refuses: the caller says that it could not be tried.
      return undefined
    }
    return new SmallDisk(path)
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path)
    return bavail * bsize
  }

  /** Fills it until so much is left. */
  fillTo(freeBytes: number): void {
    const file = openSync(this.#ballast, 'a')
    const chunk = new Uint8Array(4_096)
    while (this.freeBytes > freeBytes) writeSync(file, chunk)
    fsyncSync(file)
    closeSync(file)
  }

  /** Gives back what {@link SmallDisk.fillTo} took. */
  free(): void {
    rmSync(this.#ballast, { force: true })
  }

  [Symbol.dispose](): void {
    // Lazy: a process that is just ending may still have files open.
    execFileSync('umount', ['-l', this.path])
  }
}
