import { join } from 'node:path'
import { DaemonError } from '../errors.ts'
import { type PrivateFileCodes, readPrivateFile } from '../private-file.ts'

/** Where a passphrase comes from. The caller wipes what it gets. */
export interface PassphraseSource {
  /** From a file, with nobody asked; undefined where none is named. @throws {DaemonError} `PASSPHRASE_INVALID` `KEYRING_MODE` */
  given(): Promise<Uint8Array | undefined>
  /** Asks a person; undefined where there is none to ask. */
  prompt(): Promise<Uint8Array | undefined>
}

/** No passphrase from anywhere. */
export const NO_PASSPHRASE: PassphraseSource = { given: async () => undefined, prompt: async () => undefined }

export const PASSPHRASE_BYTES_MAX = 1_024
/** The name of systemd's credential. */
const CREDENTIAL = 'parley-passphrase'
const CODES: PrivateFileCodes = {
  kind: 'a file with a passphrase',
  missing: 'PASSPHRASE_INVALID',
  invalid: 'PASSPHRASE_INVALID',
  exists: 'PASSPHRASE_INVALID',
  lengthBytesMax: PASSPHRASE_BYTES_MAX + 2
}
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

export interface PassphraseOptions {
  /** The file of `identity.passphraseFile`. */
  readonly file?: string | undefined
  /** systemd's `$CREDENTIALS_DIRECTORY`, looked into where no file is named. */
  readonly credentialsDirectory?: string | undefined
  readonly prompt?: (() => Promise<Uint8Array | undefined>) | undefined
}

/** The passphrase of a named file, else of systemd's credential `parley-passphrase`, else of whoever sits at the terminal. */
export function passphraseSource({ file, credentialsDirectory, prompt }: PassphraseOptions): PassphraseSource {
  return {
    given: async () => {
      if (file !== undefined) return readPassphraseFile(file)
      return credentialsDirectory === undefined ? undefined : readCredential(join(credentialsDirectory, CREDENTIAL))
    },
    prompt: async () => prompt?.()
  }
}

/**
 * The passphrase in a file: 1 to 1,024 bytes, without the one line end that an editor leaves.
 *
 * @throws {DaemonError} `PASSPHRASE_INVALID` none there, none in it, or too long; `KEYRING_MODE` others may read it, with the command that
 * mends it
 */
export async function readPassphraseFile(path: string): Promise<Uint8Array> {
  return withoutLineEnd(await readPrivateFile(path, CODES), path)
}

/** Undefined where there is none: not every service has one. systemd keeps others out of the folder, whatever the file's mode shows. */
async function readCredential(path: string): Promise<Uint8Array | undefined> {
  try {
    return withoutLineEnd(await readPrivateFile(path, { ...CODES, anyMode: true }), path)
  } catch (error) {
    const { cause } = error as Error
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw error
  }
}

function withoutLineEnd(bytes: Uint8Array, path: string): Uint8Array {
  let end = bytes.length
  if (bytes[end - 1] === LINE_FEED) end--
  if (end < bytes.length && bytes[end - 1] === CARRIAGE_RETURN) end--
  const passphrase = bytes.slice(0, end)
  bytes.fill(0)
  assertPassphrase(passphrase, path)
  return passphrase
}

/** @throws {DaemonError} `PASSPHRASE_INVALID` */
export function assertPassphrase(passphrase: Uint8Array, where: string): void {
  if (passphrase.length > 0 && passphrase.length <= PASSPHRASE_BYTES_MAX) return
  throw new DaemonError('PASSPHRASE_INVALID', `A passphrase has 1 to ${PASSPHRASE_BYTES_MAX} bytes: ${where}`)
}
