import type { StoreRange } from './port.ts'

/** An ordered map from byte strings to values, in memory; keys are compared byte by byte. */
export class SortedTable<Value> {
  readonly #values = new Map<string, Value>()
  readonly #keys: string[] = []

  get(key: Uint8Array): Value | undefined {
    return this.#values.get(toText(key))
  }

  set(key: Uint8Array, value: Value): void {
    const text = toText(key)
    if (!this.#values.has(text)) this.#keys.splice(this.#indexOf(text), 0, text)
    this.#values.set(text, value)
  }

  delete(key: Uint8Array): void {
    const text = toText(key)
    if (this.#values.delete(text)) this.#keys.splice(this.#indexOf(text), 1)
  }

  /** The entries of `range` as they are now, in its order. Keys are fresh copies. */
  range({ gte, lt, limit, reverse }: StoreRange = {}): { readonly key: Uint8Array; readonly value: Value }[] {
    const start = gte === undefined ? 0 : this.#indexOf(toText(gte))
    const end = lt === undefined ? this.#keys.length : this.#indexOf(toText(lt))
    const keys = this.#keys.slice(start, Math.max(start, end))
    if (reverse === true) keys.reverse()
    return keys.slice(0, limit).map(text => ({ key: toBytes(text), value: this.#values.get(text) as Value }))
  }

  /** Where `text` stands, or would stand. */
  #indexOf(text: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] as string) < text) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** One UTF-16 unit for each byte, so that strings compare as the bytes do. */
function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

function toBytes(text: string): Uint8Array {
  return Uint8Array.from(text, unit => unit.charCodeAt(0))
}
