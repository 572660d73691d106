import { connect } from '@parley/client-sdk'
import { parseCard } from '../../daemon/src/identity/card.ts'
import { nodeIdBytes } from '../../daemon/src/identity/node-id.ts'
import { systemRandomBytes } from '../../daemon/src/random.ts'
import { exportStore } from '../../daemon/src/store/export-store.ts'
import { SUBLEVELS } from '../../daemon/src/store/port.ts'
import { sealerOf } from '../../daemon/src/store/sealed.ts'
import type { Sealer } from '../../daemon/src/store/sealer.ts'
import { startDaemon } from '../support/daemon-process.ts'
import { filesIn, keyringOf, receiveFromBob, type SealedRecord, sealedRecords } from '../support/store-home.ts'
import { makeTempHome } from '../support/temp-home.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'store-bytes'
export const describe =
  'a store copied whole shows no ID, name, key, address, channel, consumer or message, and a value moved to another key is refused'

const ENV = { PARLEY_NODE_PROFILE: 'test', PARLEY_LOG_LEVEL: 'error' }
const SIZES = { full: { messages: 500, moves: 20_000 }, short: { messages: 20, moves: 1_000 } }
const CHANNEL = 'moorings'
const CONSUMER = 'harbour-master-desk'

export async function run({ size, log }: ProofOptions): Promise<ProofResult> {
  const { messages, moves } = SIZES[size]
  using home = makeTempHome()
  using bobsHome = makeTempHome()
  const daemon = await startDaemon({ home: home.path, args: ['--id', 'alice.of.the.lighthouse'], env: ENV })
  const needles = new Map<string, Uint8Array>()
  const add = (what: string, value: string | Uint8Array): void => {
    needles.set(what, typeof value === 'string' ? Buffer.from(value) : value)
  }
  try {
    await using client = await connect({ socket: daemon.socketPath })
    const bobsCard = await receiveFromBob(
      client,
      bobsHome.path,
      ENV,
      Array.from({ length: messages }, (_, at) => `inward bound ${at}`)
    )
    for (let at = 0; at < messages; at++) await client.send('bosun', `outward bound ${at}`, { channel: CHANNEL })
    let read = 0
    for await (const message of client.messages({ channel: CHANNEL, consumer: CONSUMER })) {
      await message.ack()
      if (++read === 5) break
    }
    const [bob] = await client.peers.list()
    for (const card of [parseCard(await client.card()), parseCard(bobsCard)]) {
      const who = card.id
      for (const [what, value] of Object.entries({ id: who, nodeId: card.nodeId, address: card.addresses[0] ?? '-' }))
        add(`${who} ${what}`, value)
      add(`${who} key`, card.publicKeyBytes.subarray(13))
      add(`${who} fingerprint`, card.fingerprint)
      add(`${who} node key`, nodeIdBytes(card.nodeId).subarray(6))
      add(`${who} box key`, card.boxKey)
      add(`${who} port`, `tcp/${/\d+$/.exec(card.addresses[0] ?? '')?.[0]}`)
    }
    for (const text of [
      'bosun',
      CHANNEL,
      CONSUMER,
      'inward bound',
      'outward bound',
      bob?.contact ?? '-',
      '/ip4/',
      'parley'
    ])
      add(text, text)
  } finally {
    await daemon.stop()
  }
  const files = filesIn(home.file('state/store'))
  const found = [...needles].flatMap(([what, bytes]) =>
    spellings(bytes).some(spelling => files.includes(spelling)) ? [what] : []
  )
  const exported: string[] = []
  await exportStore({ stateDir: home.file('state') }, async line => void exported.push(JSON.stringify(line)))
  const shown = exported.join('\n')
  // What is looked for is there, for who has the keys.
  const unseen = ['bosun', CHANNEL, CONSUMER, 'inward bound', 'outward bound'].filter(text => !shown.includes(text))
  const keyring = await keyringOf(home.path)
  const records = await sealedRecords(home.file('state/store'), home.file('copy'))
  const sealer = sealerOf(keyring.storeKeys, systemRandomBytes)
  const unsealed = records.filter(record => !opens(sealer, record, record)).length
  const moved = tryMoves(sealer, records, moves)
  log(`${files.length} bytes, ${needles.size} needles, ${records.length} records`)
  const notes = [
    ...found.map(what => `found in the store: ${what}`),
    ...unseen.map(what => `not in the export: ${what}`)
  ]
  const counts = {
    storeBytes: files.length,
    needles: needles.size,
    found: found.length,
    records: records.length,
    unsealed,
    ...moved
  }
  return { ok: notes.length === 0 && unsealed === 0 && moved.movesOpened === 0 && moved.movesTried > 0, counts, notes }
}

/** The bytes as they are, and as text that a program may have made of them. */
function spellings(bytes: Uint8Array): Buffer[] {
  const plain = Buffer.from(bytes)
  const hex = plain.toString('hex')
  const texts = [hex, hex.toUpperCase(), plain.toString('base64').replace(/=+$/, ''), plain.toString('base64url')]
  return [plain, Buffer.from(plain.toString('latin1'), 'utf16le'), ...texts.map(text => Buffer.from(text))]
}

/** Puts values in the places of others, in their sublevel and elsewhere. */
function tryMoves(
  sealer: Sealer,
  records: readonly SealedRecord[],
  countMax: number
): { movesTried: number; movesOpened: number } {
  let movesTried = 0
  let movesOpened = 0
  for (const from of records) {
    const elsewhere = SUBLEVELS.filter(sublevel => sublevel !== from.sublevel).map(sublevel => ({ ...from, sublevel }))
    for (const to of [...elsewhere, ...records.filter(record => record !== from)]) {
      if (movesTried === countMax) return { movesTried, movesOpened }
      movesTried++
      if (opens(sealer, from, to)) movesOpened++
    }
  }
  return { movesTried, movesOpened }
}

function opens(sealer: Sealer, { value }: SealedRecord, { sublevel, key }: SealedRecord): boolean {
  try {
    sealer.open(sublevel, key, value)
    return true
  } catch {
    return false // Refused, as it must be.
  }
}
