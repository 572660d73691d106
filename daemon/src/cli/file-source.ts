import { type FileHandle, open } from 'node:fs/promises'
import { basename } from 'node:path'
import type { TransferSource } from '@parley/client-sdk'
import { UsageError } from './command-errors.ts'
import { FileError, isSystemCode, onFile } from './file-error.ts'

/** A regular file of this host, to be sent. */
export class FileSource implements TransferSource, AsyncDisposable {
  readonly name: string
  readonly size: number
  readonly #path: string
  readonly #file: FileHandle

  private constructor(path: string, file: FileHandle, size: number) {
    this.#path = path
    this.#file = file
    this.name = basename(path)
    this.size = size
  }

  /** @throws {UsageError} for what is not there, may not be read, is no regular file, or has a name that cannot be sent; {FileError} */
  static async open(path: string): Promise<FileSource> {
    if (/\p{Cc}/u.test(basename(path))) {
      throw new UsageError(`${path} has control characters in its name`, 'Rename it, and send it then.')
    }
    try {
      const file = await open(path, 'r')
      const stat = await file.stat()
      if (stat.isFile()) return new FileSource(path, file, stat.size)
      await file.close()
    } catch (error) {
      if (isSystemCode(error, 'ENOENT') || isSystemCode(error, 'ENOTDIR')) {
        throw new UsageError(`there is no file ${path}`, 'See whether the path is right.')
      }
      if (isSystemCode(error, 'EACCES') || isSystemCode(error, 'EPERM')) {
        throw new UsageError(`${path} may not be read`, 'Give yourself the right to read it, or send a copy.')
      }
      return onFile(path, 'read', () => Promise.reject(error))
    }
    throw new UsageError(`${path} is no regular file`, 'Pack a folder into one file first, such as with tar.')
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return onFile(this.#path, 'read', async () => {
      const bytes = new Uint8Array(length)
      let done = 0
      while (done < length) {
        const { bytesRead } = await this.#file.read(bytes, done, length - done, position + done)
        if (bytesRead === 0) throw new FileError(`${this.#path} has become shorter while it was sent`)
        done += bytesRead
      }
      return bytes
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }
}
