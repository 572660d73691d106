import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DaemonError } from '../errors.ts'
import { keyringPath, readKeyring } from '../identity/keyring-file.ts'
import { readStoreKeysV1, storeKeysPath } from '../identity/keyring-v1.ts'
import { NO_PASSPHRASE, type PassphraseSource } from '../identity/passphrase.ts'
import { type RandomBytes, systemRandomBytes } from '../random.ts'
import { type ExportLine, ExportRecords } from './export-records.ts'
import type { Sublevel } from './port.ts'
import { type RawRecord, type SalvagedStore, salvage } from './salvage.ts'
import { STORE_ID_KEY, sealerOf } from './sealed.ts'
import type { Sealer } from './sealer.ts'
import type { StoreKeys } from './store-keys.ts'

/** What an export tells at its end. */
export interface ExportSummary {
  readonly lines: number
  /** Lines that are messages. */
  readonly messages: number
  /** Records that did not open or decode, by sublevel. */
  readonly damaged: Readonly<Partial<Record<Sublevel, number>>>
  /** Sublevels that could not be read to their ends. */
  readonly cutShort: readonly string[]
  /** Whether the database did not open as it is: what was lost with its files is not counted. */
  readonly repaired: boolean
}

export interface ExportStoreOptions {
  readonly stateDir: string
  /** Of the keyring, which holds the keys of the store; absent where it needs none. */
  readonly passphrase?: PassphraseSource
  readonly randomBytes?: RandomBytes
}

/**
 * Reads out the store of a state directory that no daemon serves, whether it opens or not, and leaves it as it is. Keys are not told.
 *
 * @param write - called with one line after the other, and waited for
 * @throws {DaemonError} `NOT_INITIALIZED` there is no store; `ALREADY_RUNNING`; `KEYRING_MISSING` and those of {@link readKeyring};
 * `STORE_UNAVAILABLE` there is no room for the copy that is read; `STORE_DAMAGED` nothing of it can be read
 */
export async function exportStore(
  options: ExportStoreOptions,
  write: (line: ExportLine) => Promise<void>
): Promise<ExportSummary> {
  const { stateDir } = options
  const directory = join(stateDir, 'store')
  if (!existsSync(directory)) throw new DaemonError('NOT_INITIALIZED', `There is no store in ${stateDir}.`)
  const store = await salvage(directory, stateDir).catch((cause: unknown) => {
    if (!(cause instanceof DaemonError) || cause.code !== 'STORE_LOCKED') throw cause
    throw new DaemonError('ALREADY_RUNNING', 'A daemon has the store open: stop it first.', { cause })
  })
  try {
    return await exportRecords(store, await sealerFor(store, options), write)
  } finally {
    await store.close()
  }
}

async function exportRecords(
  store: SalvagedStore,
  sealer: Sealer | undefined,
  write: (line: ExportLine) => Promise<void>
): Promise<ExportSummary> {
  const records = new ExportRecords(sealer)
  const damaged: Partial<Record<Sublevel, number>> = {}
  let lines = 0
  let messages = 0
  for await (const record of store.records()) {
    const found = linesOf(records, record)
    if (found === undefined) damaged[record.sublevel] = (damaged[record.sublevel] ?? 0) + 1
    for (const line of found ?? []) {
      await write(line)
      lines++
      if ('body' in line) messages++
    }
  }
  return { lines, messages, damaged, cutShort: [...store.cutShort], repaired: store.isRepaired }
}

function linesOf(records: ExportRecords, record: RawRecord): readonly ExportLine[] | undefined {
  try {
    return records.linesOf(record)
  } catch {
    // Whatever a damaged record makes a decoder throw, it is counted, and the next one is read.
    return undefined
  }
}

/** The sealer of the store; undefined for one that was never sealed. */
async function sealerFor(store: SalvagedStore, options: ExportStoreOptions): Promise<Sealer | undefined> {
  try {
    const { stateDir, passphrase = NO_PASSPHRASE } = options
    return sealerOf(await storeKeysOf(stateDir, passphrase), options.randomBytes ?? systemRandomBytes)
  } catch (error) {
    const isMissing =
      error instanceof DaemonError && (error.code === 'STORE_KEYS_MISSING' || error.code === 'KEYRING_MISSING')
    if (isMissing && store.get('meta', STORE_ID_KEY) === undefined) return undefined
    throw error
  }
}

/** The keys of the store, in the keyring or where the first version had them. Nothing is changed. */
async function storeKeysOf(stateDir: string, passphrase: PassphraseSource): Promise<StoreKeys> {
  try {
    const read = await readKeyring(stateDir, passphrase)
    return 'identity' in read ? await readStoreKeysV1(stateDir) : read.keyring.storeKeys
  } catch (cause) {
    if (!(cause instanceof DaemonError) || cause.code !== 'NOT_INITIALIZED') throw cause
    if (existsSync(storeKeysPath(stateDir))) return readStoreKeysV1(stateDir)
    const message = `${keyringPath(stateDir)} is gone, and only it opens the records of the store.`
    throw new DaemonError('KEYRING_MISSING', message, { cause })
  }
}
