import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

/** For `strace`: what it must trace, and how it must print, for {@link diskAt}. */
export const STRACE_ARGS = [
  ...['-f', '-ttt', '-T', '-y', '-xx', '-s', '4000000'],
  ...['-e', 'trace=openat,write,fdatasync,fsync,rename,unlink']
]

interface FileContent {
  readonly parts: Buffer[]
  lengthBytes: number
  syncedBytes: number
}

/** One call of the operating system, as `strace` prints it: in the order in which they ended, or began where others came between. */
const LINE = /^(?:\[pid +)?(\d+)\]? +([\d.]+) (.*)$/
const RESUMED = /^<\.\.\. (\w+) resumed>(.*)$/
const UNFINISHED = / <unfinished \.\.\.>$/
const DURATION = /<([\d.]+)>$/

/**
 * What is certain to be on disk of a folder at a moment, from the calls that a process made: of each file what its last sync covered, and
 * names as they were at the last sync of anything, for a journal keeps their order. All later writes are lost.
 *
 * @param untilMs - Unix time
 * @returns contents by the names of the files
 */
export async function diskAt(traceFile: string, folder: string, untilMs: number): Promise<ReadonlyMap<string, Buffer>> {
  const disk = new TracedDisk(folder)
  const waiting = new Map<string, { text: string; lengthBytes: number }>()
  for await (const line of createInterface({ input: createReadStream(traceFile) })) {
    const [, pid = '', seconds, rest = ''] = LINE.exec(line) ?? []
    if (seconds === undefined) continue
    const resumed = RESUMED.exec(rest)
    if (resumed === null && UNFINISHED.test(rest)) {
      const text = rest.replace(UNFINISHED, '')
      waiting.set(pid, { text, lengthBytes: disk.lengthOf(text) })
      continue
    }
    const begun = resumed === null ? undefined : waiting.get(pid)
    const text = resumed === null ? rest : `${begun?.text ?? ''}${resumed[2]}`
    // The time of a line is that of its begin, or of its end where it was resumed.
    const lastedMs = resumed === null ? Number(DURATION.exec(rest)?.[1] ?? 0) * 1_000 : 0
    if (Number(seconds) * 1_000 + lastedMs > untilMs) break
    disk.apply(text, begun?.lengthBytes)
  }
  return disk.durable()
}

class TracedDisk {
  readonly #prefix: string
  #names = new Map<string, FileContent>()
  #durableNames = new Map<string, FileContent>()

  constructor(folder: string) {
    this.#prefix = `${folder}/`
  }

  /** How much of the file that a call works on there is. */
  lengthOf(call: string): number {
    return this.#fileOfDescriptor(call)?.lengthBytes ?? 0
  }

  /** @param coveredBytes - of a sync: what was in the file when it began */
  apply(call: string, coveredBytes?: number): void {
    const name = /^\w+/.exec(call)?.[0]
    if (/ = -1 E/.test(call)) return
    if (name === 'openat') {
      const path = this.#nameOf(/, "([^"]*)"/.exec(call)?.[1])
      if (path !== undefined && call.includes('O_TRUNC')) {
        this.#names.set(path, { parts: [], lengthBytes: 0, syncedBytes: 0 })
      }
    } else if (name === 'write') {
      const file = this.#fileOfDescriptor(call)
      const data = /, "([^"]*)"/.exec(call)?.[1]
      const count = Number(/ = (\d+)/.exec(call)?.[1])
      if (file === undefined || data === undefined) return
      file.parts.push(bytesOf(data).subarray(0, count))
      file.lengthBytes += count
    } else if (name === 'fdatasync' || name === 'fsync') {
      const file = this.#fileOfDescriptor(call)
      if (file !== undefined) file.syncedBytes = coveredBytes ?? file.lengthBytes
      this.#durableNames = new Map(this.#names)
    } else if (name === 'rename') {
      const [from, to] = [...call.matchAll(/"([^"]*)"/g)].map(([, path]) => this.#nameOf(path))
      const file = this.#names.get(from ?? '')
      if (file === undefined || to === undefined) return
      this.#names.delete(from ?? '')
      this.#names.set(to, file)
    } else if (name === 'unlink') {
      this.#names.delete(this.#nameOf(/"([^"]*)"/.exec(call)?.[1]) ?? '')
    }
  }

  durable(): ReadonlyMap<string, Buffer> {
    const entries = [...this.#durableNames].map(
      ([name, { parts, syncedBytes }]) => [name, Buffer.concat(parts).subarray(0, syncedBytes)] as const
    )
    return new Map(entries)
  }

  #fileOfDescriptor(call: string): FileContent | undefined {
    return this.#names.get(this.#nameOf(/^\w+\(\d+<([^>]*)>/.exec(call)?.[1]) ?? '')
  }

  /** The name of a file in the folder; undefined for all others. */
  #nameOf(escaped: string | undefined): string | undefined {
    const path = bytesOf(escaped ?? '').toString()
    return path.startsWith(this.#prefix) ? path.slice(this.#prefix.length) : undefined
  }
}

/** `strace -xx` writes each byte as `\xhh`. */
function bytesOf(escaped: string): Buffer {
  return Buffer.from(escaped.replaceAll('\\x', ''), 'hex')
}
