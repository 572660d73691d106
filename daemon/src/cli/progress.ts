import type { CommandContext } from './context.ts'
import { durationText, oneLine } from './text.ts'

/** What progress needs of time, in milliseconds. */
export interface ProgressClock {
  monotonicMs(): number
}

const DRAW_EVERY_MS = 250
/** The rate is that of about this time. */
const RATE_OVER_MS = 5_000
const BAR_WIDTH = 20
const CLEAR_LINE = '\r\u001b[K'
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** One line on a terminal that says how far files have come, how fast, and how long it will take; nothing where there is no terminal. */
export class Progress {
  readonly #cli: CommandContext
  readonly #clock: ProgressClock
  readonly #isShown: boolean
  readonly #files = new Map<string, { name: string; position: number; size: number }>()
  #samples: { readonly atMs: number; readonly movedBytes: number }[] = []
  #movedBytes = 0
  #drawnAtMs = Number.NEGATIVE_INFINITY
  #isDrawn = false

  constructor(cli: CommandContext, clock: ProgressClock, isJson: boolean) {
    this.#cli = cli
    this.#clock = clock
    this.#isShown = cli.host.stderr.isTTY === true && !isJson
  }

  /** A file is at `position` of `size` bytes. Where it begins counts as there already, not as moved. */
  update(id: string, name: string, position: number, size: number): void {
    const before = this.#files.get(id)
    this.#movedBytes += Math.max(0, position - (before?.position ?? position))
    this.#files.set(id, { name, position, size })
    this.#draw()
  }

  /** A file is over, one way or the other. */
  async remove(id: string): Promise<void> {
    this.#files.delete(id)
    await this.clear()
  }

  /** Takes the line away, so that something else can be said. */
  async clear(): Promise<void> {
    if (!this.#isDrawn) return
    this.#isDrawn = false
    await this.#cli.sayPart(CLEAR_LINE)
  }

  #draw(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#samples.push({ atMs: nowMs, movedBytes: this.#movedBytes })
    this.#samples = this.#samples.filter(({ atMs }) => nowMs - atMs <= RATE_OVER_MS)
    if (!this.#isShown || nowMs - this.#drawnAtMs < DRAW_EVERY_MS) return
    this.#drawnAtMs = nowMs
    this.#isDrawn = true
    const columns = this.#cli.host.stderr.columns ?? 80
    const line = this.line(nowMs).slice(0, Math.max(10, columns - 1))
    // A terminal that is gone is noticed by whoever says something of weight.
    void this.#cli.sayPart(CLEAR_LINE + line)
  }

  /** The line as it would be drawn now. */
  line(nowMs: number = this.#clock.monotonicMs()): string {
    const files = [...this.#files.values()]
    const position = files.reduce((sum, file) => sum + file.position, 0)
    const size = files.reduce((sum, file) => sum + file.size, 0)
    const share = size === 0 ? 1 : position / size
    const filled = Math.floor(share * BAR_WIDTH)
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled)
    const name = files.length === 1 ? oneLine(files[0]?.name ?? '') : `${files.length} files`
    const bytesPerSecond = this.#bytesPerSecond(nowMs)
    const left = bytesPerSecond > 0 ? `, ${durationText(((size - position) / bytesPerSecond) * 1_000)} left` : ''
    return `${bar} ${Math.floor(share * 100)} % of ${sizeText(size)}, ${sizeText(bytesPerSecond)}/s${left}  ${name}`
  }

  #bytesPerSecond(nowMs: number): number {
    const first = this.#samples[0]
    if (first === undefined || nowMs - first.atMs < DRAW_EVERY_MS) return 0
    return Math.round(((this.#movedBytes - first.movedBytes) * 1_000) / (nowMs - first.atMs))
  }
}

/** A size for people: `1.5 GiB`. */
export function sizeText(bytes: number): string {
  let unit = 0
  let amount = bytes
  while (amount >= 1_024 && unit < UNITS.length - 1) {
    amount /= 1_024
    unit++
  }
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${UNITS[unit]}`
}
