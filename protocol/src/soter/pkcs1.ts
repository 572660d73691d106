const SEQUENCE = 0x30
const INTEGER = 0x02

/**
 * Writes non-negative big-endian integers as a DER `SEQUENCE` of `INTEGER`: the form of PKCS#1 keys.
 *
 * @returns one new buffer, of which no copy was made; with a private key inside, the caller should wipe it
 * @see RFC 8017 appendix A.1
 */
export function encodeIntegers(integers: readonly Uint8Array[]): Uint8Array {
  const minimal = integers.map(withoutLeadingZeros)
  const contentBytes = minimal.reduce((sum, integer) => sum + integerBytes(integer), 0)
  const encoded = new Uint8Array(headerBytes(contentBytes) + contentBytes)
  let offset = writeHeader(encoded, 0, SEQUENCE, contentBytes)
  for (const integer of minimal) {
    const pad = signPadBytes(integer)
    offset = writeHeader(encoded, offset, INTEGER, integer.length + pad) + pad
    encoded.set(integer, offset)
    offset += integer.length
  }
  return encoded
}

/**
 * Reads what {@link encodeIntegers} writes. For the library's own output alone: hostile bytes are not expected.
 *
 * @returns views inside `encoded`, without leading zeros
 */
export function decodeIntegers(encoded: Uint8Array): Uint8Array[] {
  const integers: Uint8Array[] = []
  let [offset] = readHeader(encoded, 0)
  while (offset < encoded.length) {
    const [start, length] = readHeader(encoded, offset)
    integers.push(withoutLeadingZeros(encoded.subarray(start, start + length)))
    offset = start + length
  }
  return integers
}

function withoutLeadingZeros(integer: Uint8Array): Uint8Array {
  const first = integer.findIndex(byte => byte !== 0)
  return integer.subarray(first === -1 ? integer.length - 1 : first)
}

function signPadBytes(integer: Uint8Array): 0 | 1 {
  return (integer[0] as number) >= 0x80 ? 1 : 0
}

function integerBytes(integer: Uint8Array): number {
  const length = integer.length + signPadBytes(integer)
  return headerBytes(length) + length
}

// No key comes near 65,536 bytes: the length has one byte, or one or two after a byte that counts them.
function headerBytes(length: number): number {
  return length < 0x80 ? 2 : length < 0x100 ? 3 : 4
}

function writeHeader(target: Uint8Array, offset: number, tag: number, length: number): number {
  const size = headerBytes(length)
  target[offset] = tag
  if (size > 2) target[offset + 1] = 0x80 + size - 2
  if (size > 3) target[offset + 2] = length >>> 8
  target[offset + size - 1] = length
  return offset + size
}

function readHeader(source: Uint8Array, offset: number): [start: number, length: number] {
  const first = source[offset + 1] as number
  const lengthBytes = first < 0x80 ? 0 : first - 0x80
  let length = lengthBytes === 0 ? first : 0
  for (let i = 0; i < lengthBytes; i++) length = length * 256 + (source[offset + 2 + i] as number)
  return [offset + 2 + lengthBytes, length]
}
