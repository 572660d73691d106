import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { connect } from '../src/connect.ts'
import type { TransferInfo } from '../src/contract/types.ts'
import { CHUNK_BYTES } from '../src/transfer-hash.ts'
import type { TransferSink } from '../src/transfer-receive.ts'
import { Refusal, StandInDaemon } from './support/stand-in-daemon.ts'

const ID = 'ab'.repeat(16)
const connectedTo = (daemon: StandInDaemon) => connect({ socket: 'memory', open: daemon.open })
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
const file = new Uint8Array(3 * CHUNK_BYTES + 5).map((_, index) => index % 251)
const chunkAt = (position: number) => file.slice(position, position + CHUNK_BYTES)

function info(change: Partial<TransferInfo> = {}): TransferInfo {
  return {
    ...{ transfer: ID, direction: 'in', contact: 'c', peer: 'bob', name: 'f', size: file.length, state: 'offered' },
    ...{ waitsFor: 'app', position: 0, lastEnd: null, createdAt: 1 },
    ...change
  }
}

/** A sink in memory. */
class MemorySink implements TransferSink {
  bytes: Uint8Array
  readonly position: number
  syncCount = 0
  finishedWith: string | undefined

  constructor(there = 0) {
    this.bytes = file.slice(0, there)
    this.position = there
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    return this.bytes.subarray(position, position + length)
  }

  async write(position: number, bytes: Uint8Array): Promise<void> {
    if (position !== this.bytes.length) throw new Error('a hole')
    this.bytes = Buffer.concat([this.bytes, bytes])
  }

  async sync(): Promise<void> {
    this.syncCount++
  }

  async finish(hash: string): Promise<void> {
    this.finishedWith = hash
  }
}

describe('sending a file', () => {
  let daemon: StandInDaemon
  beforeEach(() => {
    daemon = new StandInDaemon()
    daemon.answers['transfers.offer'] = () => info({ direction: 'out' })
    daemon.answers['transfers.finish'] = () => ({ confirmed: true })
  })

  const source = {
    name: 'f',
    size: file.length,
    read: async (position: number, length: number) => file.slice(position, position + length)
  }

  it('begins where the receiver is, and hashes what it does not send', async () => {
    const positions: number[] = []
    daemon.answers['transfers.write'] = ({ position, chunks, hashes }) => {
      if (position === 0) throw new Refusal('TRANSFER_POSITION', { position: 2 * CHUNK_BYTES })
      positions.push(position)
      for (const [index, chunk] of chunks.entries())
        expect(Buffer.compare(sha256(chunk), hashes[index] as Uint8Array)).toBe(0)
      return { position: position + CHUNK_BYTES, synced: position }
    }
    await using parley = await connectedTo(daemon)
    const sent = await parley.transfers.send('bob', source, { id: ID })
    expect(sent).toEqual({ id: ID, sha256: sha256(file).toString('hex') })
    expect(positions).toEqual([2 * CHUNK_BYTES, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES])
    expect(daemon.callsOf('transfers.finish')).toEqual([{ transfer: ID, sha256: sent.sha256 }])
  })

  it('offers the same file again when the daemon has forgotten it', async () => {
    let offerCount = 0
    daemon.answers['transfers.offer'] = () => info({ direction: 'out', state: ++offerCount === 1 ? 'offered' : 'done' })
    daemon.answers['transfers.write'] = () => {
      throw new Refusal('NO_SUCH_TRANSFER')
    }
    await using parley = await connectedTo(daemon)
    expect(await parley.transfers.send('bob', source, { id: ID })).toMatchObject({
      sha256: sha256(file).toString('hex')
    })
    expect(offerCount).toBe(2)
  })

  it('ends with what the receiver said, and leaves the file', async () => {
    daemon.answers['transfers.write'] = () => {
      throw new Refusal('TRANSFER_CANCELLED', { by: 'peer', reason: 'REFUSED' })
    }
    await using parley = await connectedTo(daemon)
    await expect(parley.transfers.send('bob', source)).rejects.toMatchObject({ code: 'TRANSFER_CANCELLED' })
    expect(daemon.callsOf('transfers.pause')).toHaveLength(1)
  })
})

describe('receiving a file', () => {
  let daemon: StandInDaemon
  let position = 0
  let corruptCount = 0

  beforeEach(() => {
    daemon = new StandInDaemon()
    corruptCount = 0
    daemon.answers['transfers.list'] = () => ({ transfers: [info()], revision: 'r' })
    daemon.answers['transfers.accept'] = params => {
      position = params.position
      return info({ state: 'active' })
    }
    daemon.answers['transfers.read'] = ({ synced }) => {
      expect(synced).toBe(position)
      const chunk = chunkAt(position)
      const chunks = chunk.length === 0 ? [] : [chunk]
      const hashes = corruptCount-- > 0 ? chunks.map(() => new Uint8Array(32)) : chunks.map(sha256)
      const answer = { position, chunks, hashes, sha256: null as string | null }
      position += chunk.length
      return position < file.length ? answer : { ...answer, sha256: sha256(file).toString('hex') }
    }
    daemon.answers['transfers.finish'] = () => ({ confirmed: true })
  })

  async function accept(sink: MemorySink) {
    const parley = await connectedTo(daemon)
    try {
      for await (const offered of parley.transfers.offers()) return await offered.accept(sink)
      throw new Error('nothing was offered')
    } finally {
      await parley.close()
    }
  }

  it.each([0, 2 * CHUNK_BYTES, file.length])(
    'goes on at %i, syncs before it says so, and checks the whole',
    async there => {
      const sink = new MemorySink(there)
      expect(await accept(sink)).toEqual({ sha256: sha256(file).toString('hex'), confirmed: true })
      expect(Buffer.compare(sink.bytes, file)).toBe(0)
      expect(daemon.callsOf('transfers.accept')).toEqual([{ transfer: ID, position: there, takeover: false }])
      expect(sink.syncCount).toBe(Math.ceil((file.length - there) / CHUNK_BYTES))
    }
  )

  it('asks again for a chunk whose hash is wrong', async () => {
    corruptCount = 2
    const sink = new MemorySink()
    await accept(sink)
    expect(Buffer.compare(sink.bytes, file)).toBe(0)
    expect(daemon.callsOf('transfers.accept').map(({ takeover }) => takeover)).toEqual([false, true, true])
  })

  it('gives a file up whose chunk is wrong again and again, and tells the sender', async () => {
    corruptCount = 100
    await expect(accept(new MemorySink())).rejects.toMatchObject({ code: 'TRANSFER_CORRUPT' })
    expect(daemon.callsOf('transfers.cancel')).toMatchObject([{ transfer: ID, code: 'CORRUPT' }])
  })

  it('gives a file up that is another one in the end', async () => {
    const sink = new MemorySink(CHUNK_BYTES)
    sink.bytes[0] = 77
    await expect(accept(sink)).rejects.toMatchObject({ code: 'TRANSFER_CORRUPT' })
    expect(sink.finishedWith).toBeUndefined()
    expect(daemon.callsOf('transfers.cancel')).toMatchObject([{ code: 'CORRUPT' }])
  })

  it('leaves a file that its sink cannot take, to be gone on with', async () => {
    const sink = new MemorySink()
    sink.write = async () => Promise.reject(new Error('full'))
    await expect(accept(sink)).rejects.toThrow('full')
    expect(daemon.callsOf('transfers.pause')).toEqual([{ transfer: ID }])
  })
})
