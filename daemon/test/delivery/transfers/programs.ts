import { CHUNK_BYTES } from '../../../src/delivery/transfers/position.ts'
import { DaemonError } from '../../../src/errors.ts'
import { App, hex, sha256, type TransferHouse } from './support.ts'

/** A program that sends a file as the SDK does, one chunk after the other, and goes on wherever the receiver is. */
export class SendingProgram {
  readonly app: App = new App()
  readonly finished: Promise<void>
  chunkCount = 0

  constructor(house: TransferHouse, peer: string, id: string, file: Uint8Array, name = 'file.bin') {
    const { transfers } = house
    transfers.offer(this.app, { peer, name, size: file.length, transfer: id })
    this.finished = this.#send(transfers, id, file)
    this.finished.catch(() => {}) // whoever asks for it hears of it
  }

  async #send(transfers: TransferHouse['transfers'], id: string, file: Uint8Array): Promise<void> {
    for (let position = 0; ; ) {
      try {
        const chunk = file.subarray(position, position + CHUNK_BYTES)
        const chunks = chunk.length === 0 ? [] : [chunk]
        await transfers.write(this.app, id, position, chunks, chunks.map(sha256))
        this.chunkCount += chunks.length
        position += chunk.length
        if (position < file.length) continue
        await transfers.finish(this.app, id, hex(sha256(file)), 0)
        return
      } catch (error) {
        if (!(error instanceof DaemonError) || error.code !== 'TRANSFER_POSITION') throw error
        position = error.data['position'] as number
      }
    }
  }
}

/** What a receiver has on its disk; it outlives the programs that write it. */
export class Disk {
  readonly chunks: Uint8Array[] = []
  isFinished = false

  get position(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.chunks)
  }
}

/** A program that receives a file onto a disk. */
export class ReceivingProgram {
  readonly app: App = new App()
  readonly finished: Promise<{ readonly confirmed: boolean }>

  constructor(house: TransferHouse, id: string, disk: Disk, takeover = false) {
    const { transfers } = house
    transfers.accept(this.app, id, disk.position, takeover)
    this.finished = this.#receive(transfers, id, disk)
    this.finished.catch(() => {}) // whoever asks for it hears of it
  }

  async #receive(
    transfers: TransferHouse['transfers'],
    id: string,
    disk: Disk
  ): Promise<{ readonly confirmed: boolean }> {
    for (;;) {
      const read = await transfers.read(this.app, id, disk.position, 1_000)
      if (read.position !== disk.position) throw new Error(`given ${read.position} instead of ${disk.position}`)
      disk.chunks.push(...read.chunks)
      if (read.sha256 === null) continue
      if (read.sha256 !== hex(sha256(disk.bytes))) throw new Error('another hash')
      disk.isFinished = true
      return transfers.finish(this.app, id, read.sha256, 1_000)
    }
  }
}
