import { describe, expect, it } from 'vitest'
import { CHUNK_BYTES } from '../../../src/delivery/transfers/position.ts'
import { Disk, ReceivingProgram, SendingProgram } from './programs.ts'
import { App, fileOf, TransferTown } from './support.ts'

const ID = '0123456789abcdef0123456789abcdef'

async function offered(town: TransferTown): Promise<void> {
  let isThere = false
  await town.until(() => {
    void town.bob.list().then(list => {
      isThere = list.some(info => info.transfer === ID)
    })
    return isThere
  })
}

describe('a file between two contacts', () => {
  it.each([0, 1, 2, 40])('arrives whole with %i chunks, and both sides know', async chunkCount => {
    const town = await TransferTown.start()
    const file = fileOf(chunkCount)
    const sender = new SendingProgram(town.alice, 'bob', ID, file)
    await offered(town)
    const disk = new Disk()
    const receiver = new ReceivingProgram(town.bob, ID, disk)
    await town.run(sender.finished)
    expect(await town.run(receiver.finished)).toEqual({ confirmed: true })
    expect(Buffer.compare(disk.bytes, file)).toBe(0)
    expect(await town.alice.list()).toEqual([])
    expect(await town.bob.list()).toEqual([])
    expect([...town.alice.failures, ...town.bob.failures]).toEqual([])
  })

  it('is offered with its name, size and contact, and says what it waits for', async () => {
    const town = await TransferTown.start()
    const sender = new SendingProgram(town.alice, 'bob', ID, fileOf(3), 'notes\u202e.txt')
    await offered(town)
    expect(await town.bob.list()).toMatchObject([
      { transfer: ID, direction: 'in', peer: 'alice', name: 'notes.txt', state: 'offered', waitsFor: 'app' }
    ])
    expect(await town.alice.list()).toMatchObject([{ direction: 'out', state: 'offered', waitsFor: 'peer-app' }])
    expect(town.bob.events).toContainEqual(
      expect.objectContaining({ kind: 'transfer.offered', name: 'alice', file: 'notes.txt' })
    )
    new ReceivingProgram(town.bob, ID, new Disk())
    await town.run(sender.finished)
  })

  it('goes on over cuts where it was, and sends little twice', async () => {
    const town = await TransferTown.start()
    const file = fileOf(120)
    const sender = new SendingProgram(town.alice, 'bob', ID, file)
    await offered(town)
    const disk = new Disk()
    const receiver = new ReceivingProgram(town.bob, ID, disk)
    for (const share of [0.2, 0.5, 0.8]) {
      await town.until(() => disk.position > share * file.length)
      town.cut()
      await town.clock.advance(2_000)
      town.heal()
    }
    await town.run(sender.finished)
    await town.run(receiver.finished)
    expect(Buffer.compare(disk.bytes, file)).toBe(0)
    expect(sender.chunkCount).toBeLessThan(120 + 3 * 8)
  })

  it('goes on after either daemon was killed, once its programs offer and accept again', async () => {
    const town = await TransferTown.start()
    const file = fileOf(100)
    const disk = new Disk()
    const first = new SendingProgram(town.alice, 'bob', ID, file)
    await offered(town)
    new ReceivingProgram(town.bob, ID, disk)
    await town.until(() => disk.position > 20 * CHUNK_BYTES)
    await town.alice.kill()
    await expect(first.finished).rejects.toMatchObject({ code: 'STOPPED' })
    await town.alice.start()
    const second = new SendingProgram(town.alice, 'bob', ID, file)
    await town.until(() => disk.position > 60 * CHUNK_BYTES)
    await town.bob.kill()
    await town.bob.start()
    await offered(town)
    const receiver = new ReceivingProgram(town.bob, ID, disk)
    await town.run(second.finished)
    await town.run(receiver.finished)
    expect(Buffer.compare(disk.bytes, file)).toBe(0)
    expect(first.chunkCount + second.chunkCount).toBeLessThan(100 + 2 * 9)
  })

  it('pauses while the receiving program is away, and goes on at what the next one has', async () => {
    const town = await TransferTown.start()
    const file = fileOf(60)
    const sender = new SendingProgram(town.alice, 'bob', ID, file)
    await offered(town)
    const disk = new Disk()
    const first = new ReceivingProgram(town.bob, ID, disk)
    await town.until(() => disk.position > 10 * CHUNK_BYTES)
    first.app.leave()
    await town.clock.advance(1_000)
    expect(await town.alice.list()).toMatchObject([{ state: 'paused', waitsFor: 'peer-app' }])
    expect(await town.bob.list()).toMatchObject([{ state: 'paused', waitsFor: 'app' }])
    disk.chunks.pop()
    await town.run(new ReceivingProgram(town.bob, ID, disk).finished)
    await town.run(sender.finished)
    expect(Buffer.compare(disk.bytes, file)).toBe(0)
  })

  it('says nothing of the stream that its own program left, when that comes back', async () => {
    const town = await TransferTown.start()
    const file = fileOf(2)
    const first = new SendingProgram(town.alice, 'bob', ID, file)
    await offered(town)
    first.app.leave()
    await expect(town.run(first.finished)).rejects.toMatchObject({ code: 'STOPPED' })
    const second = new SendingProgram(town.alice, 'bob', ID, file)
    expect(await town.alice.list()).toMatchObject([{ waitsFor: 'peer', lastEnd: null }])
    await town.run(new ReceivingProgram(town.bob, ID, new Disk()).finished)
    await town.run(second.finished)
  })

  it('is had by one program at a time', async () => {
    const town = await TransferTown.start()
    new SendingProgram(town.alice, 'bob', ID, fileOf(40))
    await offered(town)
    const disk = new Disk()
    const first = new ReceivingProgram(town.bob, ID, disk)
    expect(() => town.bob.transfers.accept(new App(), ID, 0, false)).toThrow(
      expect.objectContaining({ code: 'TRANSFER_BUSY' })
    )
    const second = new ReceivingProgram(town.bob, ID, disk, true)
    await expect(town.run(first.finished)).rejects.toMatchObject({ code: 'TAKEN_OVER' })
    await town.run(second.finished)
  })

  it.each(['alice', 'bob'] as const)('ends for good when %s cancels it, and both programs are told', async by => {
    const town = await TransferTown.start()
    const sender = new SendingProgram(town.alice, 'bob', ID, fileOf(40))
    await offered(town)
    const disk = new Disk()
    const receiver = new ReceivingProgram(town.bob, ID, disk)
    await town.until(() => disk.position > 0)
    town[by].transfers.cancel(ID, 'REFUSED', 'no room')
    const data = (side: string) => ({ by: side === by ? 'here' : 'peer', reason: 'REFUSED' })
    const code = 'TRANSFER_CANCELLED'
    await expect(town.run(sender.finished)).rejects.toMatchObject({ code, data: data('alice') })
    await expect(town.run(receiver.finished)).rejects.toMatchObject({ code, data: data('bob') })
    expect(await town.alice.list()).toEqual([])
  })

  it('is told as done to a sender that comes back after the receiver had finished', async () => {
    const town = await TransferTown.start()
    const file = fileOf(4)
    const first = new SendingProgram(town.alice, 'bob', ID, file)
    await offered(town)
    const receiver = new ReceivingProgram(town.bob, ID, new Disk())
    await town.run(receiver.finished)
    await town.run(first.finished)
    expect(
      town.alice.transfers.offer(new App(), { peer: 'bob', name: 'file.bin', size: file.length, transfer: ID })
    ).toMatchObject({
      state: 'done'
    })
    await town.alice.kill()
    await town.alice.start()
    const again = new SendingProgram(town.alice, 'bob', ID, file)
    await expect(town.run(again.finished)).rejects.toMatchObject({ code: 'NO_SUCH_TRANSFER' })
    expect(again.chunkCount).toBe(0)
  })

  it('is over for both when the contact is blocked', async () => {
    const town = await TransferTown.start()
    new SendingProgram(town.alice, 'bob', ID, fileOf(40))
    await offered(town)
    const disk = new Disk()
    const receiver = new ReceivingProgram(town.bob, ID, disk)
    await town.until(() => disk.position > 0)
    town.bob.block('alice')
    await expect(town.run(receiver.finished)).rejects.toMatchObject({ code: 'TRANSFER_CANCELLED' })
    expect(() =>
      town.bob.transfers.offer(new App(), { peer: 'alice', name: 'a', size: 1, transfer: undefined })
    ).toThrow(expect.objectContaining({ code: 'BLOCKED' }))
  })

  it('is forgotten when neither a program nor a stream is left', async () => {
    const town = await TransferTown.start({ transferKeptMs: 60_000 })
    const sender = new SendingProgram(town.alice, 'bob', ID, fileOf(4))
    await offered(town)
    sender.app.leave()
    await town.clock.advance(50_000)
    expect(await town.bob.list()).toMatchObject([{ state: 'offered' }])
    await town.clock.advance(20_000)
    expect(await town.bob.list()).toEqual([])
    expect(await town.alice.list()).toEqual([])
  })

  it('expires where no program accepts it, and the sender is told', async () => {
    const town = await TransferTown.start({ transferOfferMs: 3_600_000 })
    const sender = new SendingProgram(town.alice, 'bob', ID, fileOf(4))
    await offered(town)
    await town.clock.advance(3_600_000)
    await expect(town.run(sender.finished)).rejects.toMatchObject({
      code: 'TRANSFER_CANCELLED',
      data: { reason: 'EXPIRED' }
    })
  })

  it('lives longer than the keys of a stream', async () => {
    const town = await TransferTown.start({ rekeyAfterMs: 30_000 })
    const sender = new SendingProgram(town.alice, 'bob', ID, fileOf(20))
    await offered(town)
    await town.clock.advance(120_000)
    const disk = new Disk()
    const receiver = new ReceivingProgram(town.bob, ID, disk)
    await town.run(sender.finished)
    await town.run(receiver.finished)
    expect(town.network.counters(town.alice.transport.nodeId, town.bob.transport.nodeId).dialCount).toBeGreaterThan(2)
  })

  it('finds out that the peer is silent, and goes on when it is not', async () => {
    const town = await TransferTown.start()
    const sender = new SendingProgram(town.alice, 'bob', ID, fileOf(60))
    await offered(town)
    const disk = new Disk()
    const receiver = new ReceivingProgram(town.bob, ID, disk)
    await town.until(() => disk.position > 10 * CHUNK_BYTES)
    town.network.cut(town.alice.transport.nodeId, town.bob.transport.nodeId, { silent: true })
    await town.clock.advance(45_000)
    expect(await town.alice.list()).toMatchObject([{ state: 'paused', waitsFor: 'peer' }])
    expect(await town.bob.list()).toMatchObject([{ state: 'paused', waitsFor: 'peer' }])
    town.heal()
    await town.run(sender.finished)
    await town.run(receiver.finished)
  })

  it('is offered within bounds', async () => {
    const town = await TransferTown.start({ transferContactCountMax: 2 })
    const offer = (transfer: string) =>
      town.alice.transfers.offer(new App(), { peer: 'bob', name: 'a', size: 1, transfer })
    offer('1'.repeat(32))
    offer('2'.repeat(32))
    expect(() => offer('3'.repeat(32))).toThrow(expect.objectContaining({ code: 'TRANSFER_LIMIT' }))
    expect(() =>
      town.alice.transfers.offer(new App(), { peer: 'bob', name: 'b', size: 1, transfer: '1'.repeat(32) })
    ).toThrow(expect.objectContaining({ code: 'TRANSFER_CONFLICT' }))
  })
})
