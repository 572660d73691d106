/**
 * A backup of an identity, in one file:
 *
 *     "parley/backup/v1\0"
 *     digest  32 bytes: SHA-256 of everything after it, which tells damage from a wrong passphrase
 *     cell    Secure Cell (passphrase), 1,200,000 iterations, with the label as its context, of
 *             lp(schema)  u64be: of the records
 *             lp(keyring) its content
 *             and for each record lp(sublevel) lp(key) lp(content)
 *
 * The records are the contacts and the own card. Lanes, queues, messages and consumers are not among them: who goes on with an identity
 * elsewhere begins with new epochs.
 */
import { createHash } from 'node:crypto'
import { DaemonError } from '../errors.ts'
import type { RandomBytes } from '../random.ts'
import { SUBLEVELS, type Sublevel } from '../store/port.ts'
import { FieldReader, joinBytes, lengthPrefixed, sameBytes, textBytes, u64Bytes } from './fields.ts'
import { decodeKeyring, type Keyring, NO_AUDIT } from './keyring.ts'
import { openWithPassphrase, sealWithPassphrase } from './keyring-lock.ts'

const LABEL = textBytes('parley/backup/v1\0')
const DIGEST_BYTES = 32
const KEYRING_BYTES_MAX = 2 * 1024 * 1024
const KEY_BYTES_MAX = 1_024
const RECORD_BYTES_MAX = 1024 * 1024
/** The largest backup that is read. */
export const BACKUP_BYTES_MAX = 64 * 1024 * 1024

/** A record of the store, opened. */
export interface BackupRecord {
  readonly sublevel: Sublevel
  readonly key: Uint8Array
  readonly content: Uint8Array
}

export interface Backup {
  readonly keyring: Keyring
  /** The schema of the store that the records are of. */
  readonly schema: number
  readonly records: readonly BackupRecord[]
}

/** The bytes of a backup file. Takes about a second, off the event loop. */
export async function sealBackup(
  backup: Backup,
  passphrase: Uint8Array,
  randomBytes: RandomBytes
): Promise<Uint8Array> {
  // The audit log stays where it was written.
  const keyring = backup.keyring.with({ auditHead: NO_AUDIT }).encode()
  const fields = [u64Bytes(backup.schema), keyring]
  for (const { sublevel, key, content } of backup.records) fields.push(textBytes(sublevel), key, content)
  const content = joinBytes(...fields.map(lengthPrefixed))
  try {
    const cell = await sealWithPassphrase(passphrase, content, randomBytes, LABEL)
    return joinBytes(LABEL, digestOf(cell), cell)
  } finally {
    keyring.fill(0)
    content.fill(0)
  }
}

/**
 * Reads a backup file. Takes about a second, off the event loop.
 *
 * @throws {DaemonError} `BACKUP_INVALID` `BACKUP_NEWER` `PASSPHRASE_WRONG`
 */
export async function openBackup(bytes: Uint8Array, passphrase: Uint8Array): Promise<Backup> {
  const start = Buffer.from(bytes.subarray(0, LABEL.length + 3)).toString('latin1')
  if (/^parley\/backup\/v(?:[2-9]|[1-9]\d{1,3})\0/.test(start)) {
    throw new DaemonError('BACKUP_NEWER', 'The backup was written by a newer version.')
  }
  const reader = new FieldReader(bytes, invalid)
  reader.expect(LABEL)
  const digest = reader.raw(DIGEST_BYTES)
  const cell = bytes.subarray(LABEL.length + DIGEST_BYTES)
  if (!sameBytes(digest, digestOf(cell))) throw invalid()
  const content = await openWithPassphrase(passphrase, cell, LABEL, invalid)
  try {
    return decode(content)
  } finally {
    content.fill(0)
  }
}

function decode(content: Uint8Array): Backup {
  const reader = new FieldReader(content, invalid)
  const schema = reader.u64()
  const encoded = reader.field(1, KEYRING_BYTES_MAX)
  const keyring = decodeKeyring(encoded)
  encoded.fill(0)
  const records: BackupRecord[] = []
  while (!reader.atEnd) {
    const name = reader.text(KEY_BYTES_MAX)
    const sublevel = SUBLEVELS.find(known => known === name)
    if (sublevel === undefined) throw invalid()
    records.push({ sublevel, key: reader.field(1, KEY_BYTES_MAX), content: reader.field(1, RECORD_BYTES_MAX) })
  }
  return { keyring, schema, records }
}

function digestOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

function invalid(): DaemonError {
  return new DaemonError('BACKUP_INVALID', 'The file is no backup of an identity, or is damaged.')
}
