import { DaemonError } from '../../errors.ts'
import { sameBytes } from '../../identity/fields.ts'
import { decodeSuccession, type Succession, successionHash } from '../../identity/succession.ts'

/** Statements that are kept of a contact, and that are shown at once, at most. */
export const CHAIN_LENGTH_MAX = 32

/** What is held of a contact's lineage. */
export interface HeldChain {
  /** Fingerprint of the lineage's first key. */
  readonly lineage: Uint8Array
  /** Of the key that is held. */
  readonly fingerprint: Uint8Array
  /** What was followed so far, the newest, without a gap: the last one ends at the key that is held. */
  readonly chain: readonly Succession[]
}

/** What a chain that was shown is to the one that is held. */
export type ChainReading =
  /** It ends at the key that is held, or says nothing. */
  | { readonly kind: 'same' }
  /** Statements that lead from the key that is held to another one. */
  | { readonly kind: 'ahead'; readonly links: readonly Succession[] }
  /** Another successor of a key whose successor was followed: that statement, and what was shown in its place. */
  | { readonly kind: 'fork'; readonly held: Succession; readonly shown: readonly Succession[] }

/** How many keys of the lineage came before the one that is held; undefined where that is not known. */
export function heldSerial({ lineage, fingerprint, chain }: HeldChain): number | undefined {
  return chain.at(-1)?.serial ?? (sameBytes(lineage, fingerprint) ? 0 : undefined)
}

/**
 * Reads a chain, oldest statement first, against what is held. The signatures of every statement are checked.
 *
 * @throws {DaemonError} `CHAIN_FOREIGN` not of this lineage, not signed by the keys it names, or not one chain; `CHAIN_REPLAYED` it ends
 * before the key that is held; `CHAIN_GAP` statements between the key that is held and this chain are missing
 */
export function readChain(shown: readonly Uint8Array[], held: HeldChain): ChainReading {
  if (shown.length === 0) return { kind: 'same' }
  if (shown.length > CHAIN_LENGTH_MAX) throw foreign('a chain is longer than allowed')
  const links = shown.map(decodeSuccession)
  assertOneChain(links, held.lineage)
  const fork = forkOf(links, held)
  if (fork !== undefined) return fork
  const start = links.findIndex(({ oldFingerprint }) => sameBytes(oldFingerprint, held.fingerprint))
  if (start >= 0) return { kind: 'ahead', links: assertFollows(links.slice(start), held) }
  const [first, last] = [links[0], links.at(-1)] as [Succession, Succession]
  if (sameBytes(last.newFingerprint, held.fingerprint)) return { kind: 'same' }
  const serial = heldSerial(held)
  if (serial === undefined || first.serial > serial + 1) throw gap()
  if (last.serial < serial) throw new DaemonError('CHAIN_REPLAYED', 'A chain ends before the key that is held.')
  throw foreign('a chain does not lead from the key that is held')
}

function assertOneChain(links: readonly Succession[], lineage: Uint8Array): void {
  let before: Succession | undefined
  for (const link of links) {
    if (!sameBytes(link.lineage, lineage)) throw foreign('a statement is of another lineage')
    if (before !== undefined) {
      if (link.serial !== before.serial + 1) throw gap()
      const follows =
        sameBytes(link.parent, successionHash(before)) && sameBytes(link.oldFingerprint, before.newFingerprint)
      if (!follows) throw foreign('a statement does not follow the one before')
    }
    before = link
  }
}

/** The first place at which both chains have a statement by one key, and not the same one. */
function forkOf(links: readonly Succession[], { chain }: HeldChain): ChainReading | undefined {
  for (const held of chain) {
    const at = links.findIndex(({ serial }) => serial === held.serial)
    const link = links[at]
    if (link === undefined || sameBytes(link.content, held.content)) continue
    if (!sameBytes(link.oldFingerprint, held.oldFingerprint)) throw foreign('a chain is of other keys')
    return { kind: 'fork', held, shown: links.slice(at) }
  }
  return undefined
}

/** What leads on from the key that is held must know what led to it. */
function assertFollows(links: readonly Succession[], held: HeldChain): readonly Succession[] {
  const [first] = links
  const last = held.chain.at(-1)
  const serial = heldSerial(held)
  if (first === undefined) throw new TypeError('nothing leads on')
  if (serial !== undefined && first.serial !== serial + 1) throw foreign('a statement has a wrong number')
  if (last !== undefined && !sameBytes(first.parent, successionHash(last)))
    throw foreign('a statement names another parent')
  return links
}

function foreign(detail: string): DaemonError {
  return new DaemonError('CHAIN_FOREIGN', `The succession of a key is not one to follow: ${detail}.`)
}

function gap(): DaemonError {
  return new DaemonError('CHAIN_GAP', 'Statements between the key that is held and the one shown are missing.')
}
