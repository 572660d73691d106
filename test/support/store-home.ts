import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Client, connect } from '@parley/client-sdk'
import type { Keyring } from '../../daemon/src/identity/keyring.ts'
import { readKeyring } from '../../daemon/src/identity/keyring-file.ts'
import { NO_PASSPHRASE } from '../../daemon/src/identity/passphrase.ts'
import { LevelStore } from '../../daemon/src/store/level.ts'
import { SUBLEVELS, type Sublevel } from '../../daemon/src/store/port.ts'
import { isPlainRecord } from '../../daemon/src/store/sealed.ts'
import { startDaemon } from './daemon-process.ts'
import { until } from './until.ts'

/** A record of a store as it lies there, sealed. */
export interface SealedRecord {
  readonly sublevel: Sublevel
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** The keyring of a home that is sealed by its key file. */
export async function keyringOf(home: string): Promise<Keyring> {
  const read = await readKeyring(join(home, 'state'), NO_PASSPHRASE)
  if ('identity' in read) throw new Error('a keyring of the first version')
  return read.keyring
}

/** Every sealed record of a store's folder that no daemon has open. Reads a copy, which is made at `copy`. */
export async function sealedRecords(folder: string, copy: string): Promise<readonly SealedRecord[]> {
  cpSync(folder, copy, { recursive: true })
  const store = new LevelStore(copy)
  await store.open()
  const records: SealedRecord[] = []
  for (const sublevel of SUBLEVELS) {
    for await (const { key, value } of store.range(sublevel)) {
      if (!isPlainRecord(sublevel, key)) records.push({ sublevel, key, value })
    }
  }
  await store.close()
  return records
}

/** All bytes of all files of a folder, one after the other. */
export function filesIn(folder: string): Buffer {
  return Buffer.concat(readdirSync(folder).map(name => readFileSync(join(folder, name))))
}

/** Lets bob, who runs for that long alone, be a contact of `client` and send it `texts`, which wait there unread. Returns bob's card. */
export async function receiveFromBob(
  client: Client,
  home: string,
  env: Readonly<Record<string, string>>,
  texts: readonly string[]
): Promise<string> {
  const bob = await startDaemon({ home, args: ['--id', 'bob.of.the.harbour'], env })
  try {
    await using bobs = await connect({ socket: bob.socketPath })
    await client.peers.add(await bobs.card(), { name: 'bosun' })
    await bobs.peers.add(await client.card(), { name: 'alice' })
    const hasStored = async (): Promise<boolean> => {
      const [info] = await bobs.peers.list()
      return info?.session.state === 'established'
    }
    await until('a session with alice', hasStored, { timeoutMs: 60_000 })
    for (const text of texts) await (await bobs.send('alice', text, { channel: 'moorings' })).stored()
    return await bobs.card()
  } finally {
    await bob.stop()
  }
}
