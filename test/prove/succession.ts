import { join } from 'node:path'
import { ParleyError } from '@parley/client-sdk'
import { formatCard, makeCard } from '../../daemon/src/identity/card.ts'
import { createIdentity, type Keyring } from '../../daemon/src/identity/keyring.ts'
import { heldInFile, readKeyring, type UnlockedKeyring } from '../../daemon/src/identity/keyring-file.ts'
import { NO_PASSPHRASE } from '../../daemon/src/identity/passphrase.ts'
import { makeSuccession } from '../../daemon/src/identity/succession.ts'
import { systemRandomBytes } from '../../daemon/src/random.ts'
import { Pair, type Side } from '../support/pair.ts'
import { until } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'succession'
export const describe =
  'three rotations while the contact is away are followed, queued messages go to the successor and to no other key, and every false chain is refused by its code'

const CHANNEL = 'succession'
/** One more than a prelude shows. */
const TOO_MANY = 33

export async function run({ log }: ProofOptions): Promise<ProofResult> {
  const wrong: string[] = []
  const counts: Record<string, number> = {}
  const expectThat = (what: string, holds: boolean): void => {
    if (!holds) wrong.push(what)
  }
  await using pair = await Pair.start()
  const scene = new Scene(pair, expectThat)
  for (const [what, part] of Object.entries(PARTS)) {
    Object.assign(counts, await part(scene))
    log(`${what}: ${JSON.stringify(counts)}`)
  }
  return { ok: wrong.length === 0, counts: { ...counts, wrong: wrong.length }, notes: wrong }
}

const PARTS: Readonly<Record<string, (scene: Scene) => Promise<Record<string, number>>>> = {
  'three rotations while alice is away': rotatedWhileAway,
  'a rotation in session': rotatedInSession,
  'a replayed chain': scene => scene.isRefused('CHAIN_REPLAYED', (_now, former) => former),
  'a chain of another lineage': scene => scene.isRefused('CHAIN_FOREIGN', foreign),
  "a rotation to a contact's key": toKeyOfCarol,
  'cards of others': cardsOfOthers,
  'another node at the address': anotherInPlace,
  'a thief': thief,
  'more rotations than can be followed': scene => scene.isRefused('CHAIN_GAP', tooMany)
}

/** Alice and bob, what is changed about bob's keyring while he is down, and what alice then makes of him. */
class Scene {
  readonly pair: Pair
  readonly expectThat: (what: string, holds: boolean) => void
  /** Bob's keyring after one rotation. */
  former: Keyring | undefined

  constructor(pair: Pair, expectThat: (what: string, holds: boolean) => void) {
    this.pair = pair
    this.expectThat = expectThat
  }

  async fingerprintAtAlice(): Promise<string> {
    return (await this.pair.alice.client.peers.get('bob')).fingerprint
  }

  async fingerprintOfBob(): Promise<string> {
    return (await this.pair.bob.client.identity()).fingerprint
  }

  /** Alice knows the key that bob has, and they talk. */
  async areTogether(): Promise<void> {
    await this.pair.inSession()
    await until('alice to follow', async () => (await this.fingerprintAtAlice()) === (await this.fingerprintOfBob()))
  }

  /** Restarts bob with another keyring in place of his. Returns the one that he had. */
  async swap(change: (now: Keyring) => Keyring): Promise<Keyring> {
    const { bob } = this.pair
    let before: Keyring | undefined
    await this.pair.restart(bob, async () => {
      before = await changeKeyring(bob, change)
    })
    if (before === undefined) throw new TypeError('bob had a keyring')
    return before
  }

  /** Bob comes with a false keyring: alice refuses him by `code`, and takes him back with his own. */
  async isRefused(code: string, falsify: (now: Keyring, former: Keyring) => Keyring): Promise<Record<string, number>> {
    const { pair, former } = this
    if (former === undefined) throw new TypeError('a former keyring is kept')
    const known = await this.fingerprintAtAlice()
    const before = await pair.counter(pair.alice, code)
    const own = await this.swap(now => falsify(now, former))
    await until(`alice to say ${code}`, async () => (await pair.counter(pair.alice, code)) > before)
    const { fingerprint, trust } = await pair.alice.client.peers.get('bob')
    this.expectThat(`${code} changes nothing`, fingerprint === known && trust === 'known')
    const refused = { [code]: (await pair.counter(pair.alice, code)) - before }
    // Too far away to come back by himself.
    if (code === 'CHAIN_GAP') return refused
    await this.swap(() => own)
    await this.areTogether()
    return refused
  }
}

async function rotatedWhileAway(scene: Scene): Promise<Record<string, number>> {
  const { alice, bob } = scene.pair
  const former = await scene.fingerprintOfBob()
  await scene.pair.restart(alice, async () => {
    for (let count = 0; count < 3; count++) {
      await bob.client.rotateIdentity()
      if (count === 0) scene.former = await keyringOf(bob)
    }
  })
  await bob.daemon.kill()
  // Alice still believes in the first key: this is for whoever follows it.
  const sent = await alice.client.send('bob', 'queued', { channel: CHANNEL })
  scene.expectThat('alice has not followed before', (await scene.fingerprintAtAlice()) === former)
  await scene.pair.restart(bob)
  await scene.areTogether()
  await sent.stored()
  const { rotations } = await bob.client.identity()
  const arrived = await texts(bob)
  scene.expectThat('what was queued is there', arrived.join() === 'queued')
  const followed = (await scene.fingerprintAtAlice()) !== former
  scene.expectThat('alice holds another key', followed)
  return { rotationsFollowed: followed ? rotations : 0, queuedDelivered: arrived.length }
}

async function rotatedInSession(scene: Scene): Promise<Record<string, number>> {
  const { alice, bob } = scene.pair
  const startedAt = performance.now()
  await bob.client.rotateIdentity()
  await scene.areTogether()
  const followedMs = Math.round(performance.now() - startedAt)
  await alice.client.rotateIdentity()
  const { fingerprint } = await alice.client.identity()
  await until('bob to follow', async () => (await bob.client.peers.get('alice')).fingerprint === fingerprint)
  await (await alice.client.send('bob', 'after', { channel: CHANNEL })).stored()
  scene.expectThat('messages go on', (await texts(bob)).join() === 'after')
  return { followedInSessionMs: followedMs }
}

/** Bob's keys, and a statement of a lineage that is not his. */
function foreign(now: Keyring): Keyring {
  const stranger = newcomer('stranger')
  const next = newcomer('next').identityKey()
  return now.succeededBy(next, makeSuccession(stranger, next, Date.now()))
}

/** Carol is another contact of alice, and agrees with bob that his key be hers. */
async function toKeyOfCarol(scene: Scene): Promise<Record<string, number>> {
  const carol = newcomer('carol')
  await scene.pair.alice.client.peers.add(cardOf(carol), { name: 'carol' })
  const key = carol.identityKey()
  const refused = await scene.isRefused('CHAIN_FOREIGN', now =>
    now.succeededBy(key, makeSuccession(now, key, Date.now()))
  )
  return { keyOfContactRefused: refused['CHAIN_FOREIGN'] ?? 0 }
}

async function cardsOfOthers(scene: Scene): Promise<Record<string, number>> {
  const { peers } = scene.pair.alice.client
  const { former } = scene
  if (former === undefined) throw new TypeError('a former keyring is kept')
  const twin = newcomer((await peers.get('bob')).id)
  const refused = [
    // Two contacts with one ID.
    await codeOf(peers.add(cardOf(twin), { name: 'twin' })),
    // A former key of bob, on his own node.
    await codeOf(peers.add(cardOf(former), { name: 'former' }))
  ]
  await peers.block('bob')
  // The banned lineage on another node, under another ID.
  refused.push(await codeOf(peers.add(cardOf(onNodeOf(former, twin)), { name: 'banned' })))
  await peers.block('bob', { blocked: false })
  await scene.areTogether()
  scene.expectThat(`cards of others: ${refused.join()}`, refused.join() === 'CONTACT_EXISTS,CARD_OUTDATED,BLOCKED')
  return { cardsRefused: refused.length }
}

/** Where bob is dialled, alice herself answers: a node whose key is another. */
async function anotherInPlace(scene: Scene): Promise<Record<string, number>> {
  const { alice, bob } = scene.pair
  const { listen } = await alice.client.status()
  const before = await scene.pair.counter(alice, 'WRONG_NODE')
  await bob.daemon.kill()
  await alice.client.peers.update('bob', listen)
  await until('alice to find another node', async () => (await scene.pair.counter(alice, 'WRONG_NODE')) > before)
  const wrongNode = (await scene.pair.counter(alice, 'WRONG_NODE')) - before
  await alice.client.peers.update('bob', null)
  await scene.pair.restart(bob)
  await scene.areTogether()
  return { wrongNode }
}

/** Somebody has bob's keys from before his last rotation, and makes a successor of his own. */
async function thief(scene: Scene): Promise<Record<string, number>> {
  const { alice, bob } = scene.pair
  const stolen = await keyringOf(bob)
  await bob.client.rotateIdentity()
  await scene.areTogether()
  const known = await scene.fingerprintAtAlice()
  await bob.daemon.kill()
  await until('bob to be gone', async () => (await alice.client.peers.get('bob')).session.state !== 'established')
  const sent = await alice.client.send('bob', 'for bob', { channel: CHANNEL })
  const next = newcomer('thief').identityKey()
  const own = await scene.swap(() => stolen.succeededBy(next, makeSuccession(stolen, next, Date.now())))
  await until('alice to see the fork', async () => (await alice.client.peers.get('bob')).trust === 'changed')
  const { offered } = await alice.client.peers.get('bob')
  scene.expectThat('the fork is told', offered?.reason === 'fork')
  const refused = await codeOf(alice.client.send('bob', 'no', { channel: CHANNEL }))
  scene.expectThat(`sends are refused: ${refused}`, refused === 'UNTRUSTED')
  const { nodeId } = await alice.client.peers.get('bob')
  await until('the thief to be closed like a stranger, again and again', async () => {
    const { refused } = await alice.client.status()
    return refused.some(entry => entry.nodeId === nodeId && entry.count >= 2)
  })
  const changes = await changesOf(alice)
  const forks = await scene.pair.counter(alice, 'FORK')
  const stolenTexts = await texts(bob, 500)
  await scene.swap(() => own)
  await alice.client.peers.acceptKey('bob', { fingerprint: known })
  await scene.areTogether()
  await sent.stored()
  scene.expectThat('bob has what was his', (await texts(bob)).join() === 'for bob')
  scene.expectThat('the contact changed once', changes === 1)
  scene.expectThat('the thief has nothing', stolenTexts.length === 0)
  return { FORK: forks, forkChanges: changes, forkDeliveredToThief: stolenTexts.length }
}

function tooMany(now: Keyring): Keyring {
  let keyring = now
  for (let count = 0; count < TOO_MANY; count++) {
    const next = newcomer(`key ${count}`).identityKey()
    keyring = keyring.succeededBy(next, makeSuccession(keyring, next, Date.now()))
  }
  return keyring
}

/** How often a contact became `changed`, by the log. */
async function changesOf({ client }: Side): Promise<number> {
  let count = 0
  for await (const { action } of client.audit.entries()) if (action === 'peer.changed') count++
  return count
}

/** What waits at a side, taken and acknowledged. */
async function texts({ client }: Side, waitMs = 5_000): Promise<readonly string[]> {
  const { messages } = await client.fetch({ channel: CHANNEL, consumer: 'proof', max: 100, waitMs })
  for (const message of messages) await message.ack()
  return messages.map(message => message.text())
}

async function keyringOf(side: Side): Promise<Keyring> {
  return (await unlocked(side)).keyring
}

/** Of a daemon that is down. Returns the keyring that was there. */
async function changeKeyring(side: Side, change: (keyring: Keyring) => Keyring): Promise<Keyring> {
  const before = await unlocked(side)
  await heldInFile(stateOf(side), before, systemRandomBytes).replace(change)
  return before.keyring
}

async function unlocked(side: Side): Promise<UnlockedKeyring> {
  const read = await readKeyring(stateOf(side), NO_PASSPHRASE)
  if (!('lock' in read)) throw new TypeError('a keyring of the first version')
  return read
}

const stateOf = ({ home }: Side): string => join(home.path, 'state')

function newcomer(id: string): Keyring {
  return createIdentity({ id, user: 'u', host: 'h', now: Date.now(), randomBytes: systemRandomBytes })
}

function cardOf(keyring: Keyring): string {
  return formatCard(makeCard(keyring, { addresses: [], serial: Date.now(), time: Date.now() }))
}

/** The keys of one on the node of another, and with its ID and a mark behind. */
function onNodeOf(themis: Keyring, node: Keyring): Keyring {
  return Object.create(themis, {
    id: { value: `${node.id}-2` },
    nodeId: { value: node.nodeId },
    signStatement: { value: (bytes: Uint8Array) => themis.signStatement(bytes) },
    signAsNode: { value: (bytes: Uint8Array) => node.signAsNode(bytes) }
  }) as Keyring
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'none'
  } catch (error) {
    if (error instanceof ParleyError) return error.code
    throw error
  }
}
