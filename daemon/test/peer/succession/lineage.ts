import { generateKeyPair } from '@parley/protocol'
import { type Card, makeCard } from '../../../src/identity/card.ts'
import type { Keyring } from '../../../src/identity/keyring.ts'
import { makeSuccession } from '../../../src/identity/succession.ts'
import { seededRandomBytes } from '../../../src/random.ts'

/** A keyring after another succession; two with different seeds are two successors. */
export function rotated(keyring: Keyring, seed: string): Keyring {
  const { privateKey } = generateKeyPair(seededRandomBytes(`successor ${seed}`))
  return keyring.succeededBy(privateKey, makeSuccession(keyring, privateKey, 1_000))
}

/** The keyrings from the first on, with `count` successions. */
export function lineage(first: Keyring, count: number, seed = 'true'): Keyring[] {
  const all = [first]
  for (let serial = 1; serial <= count; serial++) all.push(rotated(all.at(-1) ?? first, `${seed} ${serial}`))
  return all
}

/** A card with the Themis key and the lineage of one, and the node of another. */
export function mixedCard(themis: Keyring, node: Keyring, id: string, serial: number): Card {
  const mixed = Object.create(themis, {
    id: { value: id },
    nodeId: { value: node.nodeId },
    signStatement: { value: (bytes: Uint8Array) => themis.signStatement(bytes) },
    signAsNode: { value: (bytes: Uint8Array) => node.signAsNode(bytes) }
  }) as Keyring
  return makeCard(mixed, { addresses: [], serial, time: 1_000 })
}
