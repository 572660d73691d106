import { readU32be, readU32le, writeU32be, writeU32le } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'
import { crc32c } from './crc32c.ts'

/** Bytes before the payload: tag (4), whole size (4, big-endian), CRC-32C (4, little-endian). */
export const CONTAINER_HEADER_BYTES = 12

const NO_CRC = new Uint8Array(4)

/**
 * Wraps a payload in a soter container.
 *
 * @param tag - exactly four ASCII characters
 * @returns a new buffer of 12 bytes more than the payload parts together
 * @see Themis src/soter/soter_container.c
 */
export function encodeContainer(tag: string, ...payload: readonly Uint8Array[]): Uint8Array {
  let size = CONTAINER_HEADER_BYTES
  for (const part of payload) size += part.length
  const container = new Uint8Array(size)
  for (let i = 0; i < 4; i++) container[i] = tag.charCodeAt(i)
  writeU32be(container, 4, size)
  let offset = CONTAINER_HEADER_BYTES
  for (const part of payload) {
    container.set(part, offset)
    offset += part.length
  }
  writeU32le(container, 8, crc32c(container))
  return container
}

/**
 * Reads one container that fills `bytes` exactly.
 *
 * @returns a view of the payload
 * @throws {ProtocolError} `INVALID_MESSAGE` for a wrong tag or size, `DATA_CORRUPT` for a wrong checksum
 */
export function decodeContainer(bytes: Uint8Array, tag: string): Uint8Array {
  if (containerSizeAt(bytes, 0) !== bytes.length) throw new ProtocolError('INVALID_MESSAGE', 'bytes after a container')
  if (containerTag(bytes) !== tag) throw new ProtocolError('INVALID_MESSAGE', `not a ${tag} container`)
  if (!hasRightChecksum(bytes)) throw new ProtocolError('DATA_CORRUPT', `checksum of a ${tag} container`)
  return bytes.subarray(CONTAINER_HEADER_BYTES)
}

/**
 * Reads the size of the container that starts at `offset`: at least 12, and within `bytes`.
 *
 * @throws {ProtocolError} `INVALID_MESSAGE`
 */
export function containerSizeAt(bytes: Uint8Array, offset: number): number {
  const available = bytes.length - offset
  const size = available < CONTAINER_HEADER_BYTES ? 0 : readU32be(bytes, offset + 4)
  if (size < CONTAINER_HEADER_BYTES || size > available) throw new ProtocolError('INVALID_MESSAGE', 'container size')
  return size
}

/** The four characters of the tag. The caller has checked that a header is there. */
export function containerTag(container: Uint8Array): string {
  return String.fromCharCode(
    container[0] as number,
    container[1] as number,
    container[2] as number,
    container[3] as number
  )
}

/** Whether the stored CRC-32C is that of the container with its checksum field zeroed. */
export function hasRightChecksum(container: Uint8Array): boolean {
  const computed = crc32c(container.subarray(0, 8), NO_CRC, container.subarray(CONTAINER_HEADER_BYTES))
  return computed === readU32le(container, 8)
}
