import type { AppSocket, AppSocketEnd, AppSocketReader } from '../../src/socket.ts'

/** One end of a connection in memory. What is sent arrives in a later turn, in order. */
class MemorySocket implements AppSocket {
  readonly bufferedBytes = 0
  other: MemorySocket | undefined
  #reader: AppSocketReader | undefined
  #kept: Uint8Array[] = []
  #end: AppSocketEnd | undefined

  read(reader: AppSocketReader): void {
    this.#reader = reader
    for (const data of this.#kept.splice(0)) setImmediate(() => this.receive(data))
  }

  send(data: Uint8Array): void {
    if (this.#end === undefined) setImmediate(() => this.other?.receive(data))
  }

  close(code = 1000, reason = ''): void {
    this.over({ code, reason })
    this.other?.over({ code, reason })
  }

  receive(data: Uint8Array): void {
    if (this.#end !== undefined) return
    if (this.#reader === undefined) this.#kept.push(data)
    else this.#reader.message(data)
  }

  over(end: AppSocketEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    setImmediate(() => this.#reader?.closed(end))
  }
}

export function memorySocketPair(): readonly [AppSocket, AppSocket] {
  const left = new MemorySocket()
  const right = new MemorySocket()
  left.other = right
  right.other = left
  return [left, right]
}
