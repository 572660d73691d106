import { constants } from 'node:fs'
import { type FileHandle, open, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CHUNK_BYTES, type TransferInfo, type TransferSink } from '@parley/client-sdk'
import { FileError, isSystemCode, onFile } from './file-error.ts'
import { numberedName, safeFileName } from './file-name.ts'

/** What is kept beside a file that is on its way, to go on with it. */
interface Note {
  readonly version: 1
  readonly transfer: string
  readonly contact: string
  readonly size: number
  /** The file's name once it is whole; set when that name is ours. */
  readonly whole?: string
}

const NOTE_ENDING = '.part.json'
const NUMBER_MAX = 10_000

/**
 * A file of a peer in a folder of ours: `NAME.part` until it is whole, with `NAME.part.json` beside it, which outlives the renaming until the sender
 * knows. Nothing that was there is ever overwritten, and no symbolic link is followed.
 */
export class FileTarget implements TransferSink, AsyncDisposable {
  readonly #dir: string
  readonly #stem: string
  readonly #file: FileHandle
  #note: Note
  #position: number
  #isFinished: boolean

  private constructor(dir: string, stem: string, note: Note, file: FileHandle, position: number) {
    this.#dir = dir
    this.#stem = stem
    this.#note = note
    this.#file = file
    this.#position = position
    this.#isFinished = note.whole !== undefined && position === note.size && position >= 0
  }

  /** Goes on with the file where a part of it is there, or begins it. @throws {FileError} */
  static open(dir: string, info: TransferInfo): Promise<FileTarget> {
    return onFile(dir, 'written', async () => {
      const found = await findNote(dir, info)
      return found === undefined ? FileTarget.#begin(dir, info) : FileTarget.#goOn(dir, found.stem, found.note)
    })
  }

  static async #begin(dir: string, { transfer, contact, size, name }: TransferInfo): Promise<FileTarget> {
    const safe = safeFileName(name)
    const note: Note = { version: 1, transfer, contact, size }
    for (let number = 1; number < NUMBER_MAX; number++) {
      const stem = numberedName(safe, number)
      if (!(await claim(join(dir, stem + NOTE_ENDING), JSON.stringify(note)))) continue
      try {
        const file = await open(join(dir, `${stem}.part`), 'wx+', 0o600)
        await syncDir(dir)
        return new FileTarget(dir, stem, note, file, 0)
      } catch (error) {
        await unlink(join(dir, stem + NOTE_ENDING))
        if (!isSystemCode(error, 'EEXIST')) throw error
      }
    }
    throw new FileError(`${dir} has too many files called ${safe}`)
  }

  static async #goOn(dir: string, stem: string, note: Note): Promise<FileTarget> {
    const flags = constants.O_RDWR | constants.O_NOFOLLOW
    const part = await openIfThere(join(dir, `${stem}.part`), flags)
    if (part === undefined && note.whole !== undefined) {
      const whole = await open(join(dir, note.whole), constants.O_RDONLY | constants.O_NOFOLLOW)
      return new FileTarget(dir, stem, note, whole, note.size)
    }
    const file = part ?? (await open(join(dir, `${stem}.part`), 'wx+', 0o600))
    const there = Math.min((await file.stat()).size, note.size)
    const position = there === note.size ? there : there - (there % CHUNK_BYTES)
    await file.truncate(position)
    const { whole: _, ...begun } = note
    // A name that was ours when the renaming was cut short is an empty file: it is taken again below.
    return new FileTarget(dir, stem, part !== undefined && note.whole !== undefined ? note : begun, file, position)
  }

  get position(): number {
    return this.#position
  }

  /** Where the file is, or will be unless that name is taken by then. */
  get path(): string {
    return join(this.#dir, this.#note.whole ?? this.#stem)
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return onFile(this.path, 'read', async () => {
      const bytes = new Uint8Array(length)
      const { bytesRead } = await this.#file.read(bytes, 0, length, position)
      if (bytesRead !== length) throw new FileError(`${this.path} has become shorter`)
      return bytes
    })
  }

  write(position: number, bytes: Uint8Array): Promise<void> {
    return onFile(this.path, 'written', async () => {
      let done = 0
      while (done < bytes.length) {
        done += (await this.#file.write(bytes, done, bytes.length - done, position + done)).bytesWritten
      }
      this.#position = position + bytes.length
    })
  }

  sync(): Promise<void> {
    return onFile(this.path, 'written', () => this.#file.datasync())
  }

  finish(): Promise<void> {
    return onFile(this.path, 'written', async () => {
      if (this.#isFinished && !(await this.#isPartThere())) return
      await this.#file.sync()
      if (this.#note.whole === undefined) await this.#takeName()
      await rename(join(this.#dir, `${this.#stem}.part`), this.path)
      await syncDir(this.#dir)
      this.#isFinished = true
    })
  }

  /** The sender knows that the file is whole: nothing more is kept of it. */
  forget(): Promise<void> {
    return onFile(this.path, 'written', () => unlink(this.#notePath))
  }

  /** The file can never become right: nothing is kept of it. */
  discard(): Promise<void> {
    return onFile(this.path, 'removed', async () => {
      if (await this.#isPartThere()) await unlink(join(this.#dir, `${this.#stem}.part`))
      await unlink(this.#notePath)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }

  get #notePath(): string {
    return join(this.#dir, this.#stem + NOTE_ENDING)
  }

  async #isPartThere(): Promise<boolean> {
    const part = await openIfThere(join(this.#dir, `${this.#stem}.part`), constants.O_RDONLY | constants.O_NOFOLLOW)
    await part?.close()
    return part !== undefined
  }

  /** Makes an empty file of the first free name, which the whole one then replaces. */
  async #takeName(): Promise<void> {
    for (let number = 1; number < NUMBER_MAX; number++) {
      const whole = numberedName(this.#stem, number)
      if (!(await claim(join(this.#dir, whole), ''))) continue
      this.#note = { ...this.#note, whole }
      const next = `${this.#notePath}.part`
      await writeFile(next, JSON.stringify(this.#note), { mode: 0o600, flush: true })
      await rename(next, this.#notePath)
      return
    }
    throw new FileError(`${this.#dir} has too many files called ${this.#stem}`)
  }
}

async function findNote(
  dir: string,
  info: TransferInfo
): Promise<{ readonly stem: string; readonly note: Note } | undefined> {
  for (const name of await readdir(dir)) {
    if (!name.endsWith(NOTE_ENDING)) continue
    const note = parseNote(await readFile(join(dir, name), 'utf8'))
    if (note?.transfer !== info.transfer || note.contact !== info.contact || note.size !== info.size) continue
    return { stem: name.slice(0, -NOTE_ENDING.length), note }
  }
  return undefined
}

/** A note, or undefined for a file that is none or was cut short. */
function parseNote(text: string): Note | undefined {
  try {
    const note = JSON.parse(text) as Note
    const { whole } = note
    const isName = whole === undefined || (typeof whole === 'string' && whole !== '' && safeFileName(whole) === whole)
    return note.version === 1 && typeof note.transfer === 'string' && isName ? note : undefined
  } catch {
    return undefined // Not JSON: not ours, or it never became whole; then its file has not begun.
  }
}

/** Whether a file was made where none was. */
async function claim(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: 'wx', mode: 0o600, flush: true })
    return true
  } catch (error) {
    if (isSystemCode(error, 'EEXIST')) return false
    throw error
  }
}

async function openIfThere(path: string, flags: number): Promise<FileHandle | undefined> {
  try {
    return await open(path, flags)
  } catch (error) {
    if (isSystemCode(error, 'ENOENT')) return undefined
    throw error
  }
}

async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
