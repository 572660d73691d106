import { type FileHandle, open } from 'node:fs/promises'
import { basename } from 'node:path'
import type { TransferSource } from '@parley/client-sdk'
import { FileError, onFile } from './file-error.ts'

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

  /** @throws {FileError} */
  static open(path: string): Promise<FileSource> {
    return onFile(path, 'read', async () => {
      const file = await open(path, 'r')
      const stat = await file.stat()
      if (stat.isFile()) return new FileSource(path, file, stat.size)
      await file.close()
      throw new FileError(`${path} is no regular file`)
    })
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
