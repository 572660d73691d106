import { beforeEach, describe, expect, it } from 'vitest'
import type { TransferFrame } from '../../../src/delivery/transfers/frames.ts'
import { CHUNK_BYTES } from '../../../src/delivery/transfers/position.ts'
import { Mallory } from './mallory.ts'
import { Disk, ReceivingProgram, SendingProgram } from './programs.ts'
import { App, fileOf, sha256, TransferTown } from './support.ts'

const ID = '0123456789abcdef0123456789abcdef'
const SIZE = 10 * CHUNK_BYTES
const bytes = new Uint8Array(CHUNK_BYTES)
const hash = sha256(bytes)
const id = Buffer.from(ID, 'hex')
const chunk = (change: object = {}): TransferFrame => ({ chunk: { round: 1, position: 0, hash, bytes, ...change } })
const accept = (change: object = {}): TransferFrame => ({
  accept: { round: 1, position: 0, synced: 0, window: 8 * CHUNK_BYTES, ...change }
})

describe('a contact that sends a file and breaks the rules', () => {
  let town: TransferTown
  let mallory: Mallory

  beforeEach(async () => {
    town = await TransferTown.start()
    mallory = await Mallory.of(town, town.alice)
    await mallory.dial()
  })

  async function offer(size = SIZE): Promise<void> {
    mallory.say({ offer: { id, name: 'a', size } })
    await town.clock.advance(50)
  }

  it.each<[string, TransferFrame]>([
    ['a chunk first', chunk()],
    ['an ID that is too short', { offer: { id: new Uint8Array(15), name: 'a', size: 1 } }],
    ['no name', { offer: { id, name: '', size: 1 } }],
    ['a name that is too long', { offer: { id, name: 'ä'.repeat(128), size: 1 } }],
    ['a size beyond all bounds', { offer: { id, name: 'a', size: 2 ** 60 } }]
  ])('is cut off for %s', async (_what, frame) => {
    mallory.say(frame)
    await town.clock.advance(50)
    expect(mallory.endCode).toBeDefined()
    expect(await town.alice.list()).toEqual([])
    expect(town.alice.failures).toEqual([])
  })

  it.each<[string, TransferFrame]>([
    ['a chunk of a file that nobody accepted', chunk()],
    ['an end of a file that nobody accepted', { finish: { round: 0, hash } }],
    ['a second offer', { offer: { id, name: 'a', size: SIZE } }],
    ['a frame that only a receiver sends', { synced: { round: 0, position: 0 } }],
    ['thanks for nothing', { done: {} }]
  ])('is cut off for %s, and the offer waits for it to come back', async (_what, frame) => {
    await offer()
    mallory.say(frame)
    await town.clock.advance(50)
    expect(mallory.endCode).toBeDefined()
    expect(await town.alice.list()).toMatchObject([{ transfer: ID, state: 'offered', lastEnd: 'PROTOCOL_VIOLATION' }])
    expect(town.alice.failures).toEqual([])
  })

  it.each<[string, TransferFrame]>([
    ['a chunk at another place', chunk({ position: CHUNK_BYTES })],
    ['a chunk of a round to come', chunk({ round: 2 })],
    ['a chunk that is too short', chunk({ bytes: bytes.subarray(1) })],
    ['a chunk that is too long', chunk({ bytes: new Uint8Array(CHUNK_BYTES + 1) })],
    ['a hash of another length', chunk({ hash: hash.subarray(1) })],
    ['an end before the last chunk', { finish: { round: 1, hash } }],
    ['an end of a round to come', { finish: { round: 2, hash } }]
  ])('is cut off for %s while a program receives', async (_what, frame) => {
    await offer()
    const disk = new Disk()
    const receiver = new ReceivingProgram(town.alice, ID, disk)
    await town.until(() => mallory.heard.some(heard => 'accept' in heard))
    mallory.say(frame)
    await town.clock.advance(50)
    expect(mallory.endCode).toBeDefined()
    expect(disk.position).toBe(0)
    expect(await town.alice.list()).toMatchObject([{ state: 'paused', waitsFor: 'peer' }])
    receiver.app.leave()
  })

  it('is cut off when it sends beyond the window of a program that does not read', async () => {
    await offer(100 * CHUNK_BYTES)
    town.alice.transfers.accept(new App(), ID, 0, false)
    for (let sent = 0; sent < 9; sent++) {
      mallory.say(chunk({ position: sent * CHUNK_BYTES }))
      await town.clock.advance(50)
      expect(mallory.endCode === undefined).toBe(sent < 8)
    }
    expect(await town.alice.list()).toMatchObject([{ lastEnd: 'CREDIT_EXCEEDED' }])
  })

  it('is not believed a chunk after its program has left', async () => {
    await offer()
    const app = new App()
    town.alice.transfers.accept(app, ID, 0, false)
    app.leave()
    await town.clock.advance(50)
    mallory.say(chunk({ round: 2 }))
    await town.clock.advance(50)
    const disk = new Disk()
    new ReceivingProgram(town.alice, ID, disk)
    await town.clock.advance(50)
    expect(disk.position).toBe(0)
  })

  it('cannot take the transfer of another contact', async () => {
    new SendingProgram(town.bob, 'alice', ID, fileOf(3))
    await town.clock.advance(100)
    mallory.say({ offer: { id, name: 'file.bin', size: fileOf(3).length } })
    await town.clock.advance(100)
    expect(mallory.heard).toContainEqual({ cancel: expect.objectContaining({ code: 'CONFLICT' }) })
    expect(await town.alice.list()).toMatchObject([{ peer: 'bob', state: 'offered' }])
  })

  it('is refused more offers than a contact may have', async () => {
    for (let count = 0; count < 17; count++) {
      if (count > 0) await mallory.dial()
      mallory.say({ offer: { id: Buffer.alloc(16, count + 1), name: 'a', size: 1 } })
      await town.clock.advance(50)
    }
    expect((await town.alice.list()).length).toBe(16)
    expect(mallory.heard).toContainEqual({ cancel: expect.objectContaining({ code: 'TRANSFER_LIMIT' }) })
  })
})

describe('a contact that receives a file and breaks the rules', () => {
  let town: TransferTown
  let mallory: Mallory
  let sender: SendingProgram

  beforeEach(async () => {
    town = await TransferTown.start()
    mallory = await Mallory.of(town, town.alice)
    sender = new SendingProgram(town.alice, 'mallory', ID, fileOf(10))
    await town.until(() => mallory.heard.some(heard => 'offer' in heard))
  })

  it.each<[string, readonly TransferFrame[]]>([
    ['a place where no chunk starts', [accept({ position: 1 })]],
    ['a place behind the end', [accept({ position: 100 * CHUNK_BYTES })]],
    ['a window without room', [accept({ window: 1 })]],
    ['more synced than accepted', [accept({ synced: CHUNK_BYTES })]],
    ['the same round again', [accept(), accept()]],
    ['more synced than was sent', [accept(), { synced: { round: 1, position: 10 * CHUNK_BYTES } }]],
    [
      'less synced than before',
      [accept({ position: CHUNK_BYTES, synced: CHUNK_BYTES }), { synced: { round: 1, position: 0 } }]
    ],
    ['a chunk', [chunk()]]
  ])('is cut off for %s, and dialled anew', async (_what, frames) => {
    const first = mallory.link
    for (const frame of frames) mallory.say(frame)
    await town.until(() => first?.isOver === true)
    await town.until(() => mallory.link !== first && mallory.link?.isOpen === true)
    expect(town.alice.failures).toEqual([])
    sender.app.leave()
  })

  it('gets no chunk beyond the window that it gave', async () => {
    mallory.say(accept({ window: 3 * CHUNK_BYTES }))
    await town.clock.advance(1_000)
    expect(mallory.heard.filter(heard => 'chunk' in heard)).toHaveLength(3)
    sender.app.leave()
  })

  it('ends only its own file when it refuses it', async () => {
    mallory.say({ cancel: { code: 'REFUSED', text: 'no' } })
    await expect(town.run(sender.finished)).rejects.toMatchObject({
      code: 'TRANSFER_CANCELLED',
      data: { reason: 'REFUSED' }
    })
  })
})
