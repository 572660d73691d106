/** Reads LEB128 numbers and bytes. What does not fit breaks it: it is at its end then, and gives nothing but zeros. */
export class VarintReader {
  readonly #bytes: Uint8Array
  #offset = 0
  #isBroken = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get offset(): number {
    return this.#offset
  }

  get isBroken(): boolean {
    return this.#isBroken
  }

  get atEnd(): boolean {
    return this.#isBroken || this.#offset >= this.#bytes.length
  }

  fail(): void {
    this.#isBroken = true
  }

  varint(): number {
    let value = 0
    for (let factor = 1; factor < Number.MAX_SAFE_INTEGER; factor *= 128) {
      const byte = this.#bytes[this.#offset++]
      if (byte === undefined) break
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return this.#isBroken ? 0 : value
    }
    this.fail()
    return 0
  }

  skip(lengthBytes: number): void {
    this.take(lengthBytes)
  }

  take(lengthBytes: number): Uint8Array {
    if (lengthBytes > this.#bytes.length - this.#offset) this.fail()
    const taken = this.#bytes.subarray(this.#offset, this.#offset + lengthBytes)
    this.#offset += lengthBytes
    return taken
  }
}
