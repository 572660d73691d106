import type { RandomBytes } from '../random.ts'

export interface BackOffOptions {
  readonly backOffMinMs: number
  readonly backOffMaxMs: number
}

/** Waits that double from the minimum to the maximum, each drawn at random from nothing to the whole ("full jitter"). Never gives up. */
export class BackOff {
  readonly #options: BackOffOptions
  readonly #randomBytes: RandomBytes
  #failureCount = 0

  constructor(options: BackOffOptions, randomBytes: RandomBytes) {
    this.#options = options
    this.#randomBytes = randomBytes
  }

  /** Counts a failure and returns how long to wait before the next try, in milliseconds. */
  nextMs(): number {
    const { backOffMinMs, backOffMaxMs } = this.#options
    const spanMs = Math.min(backOffMinMs * 2 ** Math.min(this.#failureCount, 32), backOffMaxMs)
    this.#failureCount++
    const draw = this.#randomBytes(4)
    return Math.ceil((new DataView(draw.buffer, draw.byteOffset).getUint32(0) / 2 ** 32) * spanMs)
  }

  clear(): void {
    this.#failureCount = 0
  }
}
