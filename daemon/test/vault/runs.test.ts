import { decryptSeal } from '@parley/protocol'
import { expect, test } from 'vitest'
import { cellContext } from '../../src/vault/vault.ts'
import { MiB, VAULT_LIMITS, vaultRig } from './support.ts'

const SEAL = { operation: 'seal', caller: 'local' } as const

function app() {
  const gone = new AbortController()
  return { key: {}, signal: gone.signal, leave: () => gone.abort() }
}

/** A whole result, part by part. */
function readAll({ vaultRuns }: ReturnType<typeof vaultRig>, program: ReturnType<typeof app>, id: string): Buffer {
  const parts: Uint8Array[] = []
  for (;;) {
    const { part, last } = vaultRuns.read(program, id)
    expect(part.length).toBeLessThanOrEqual(MiB)
    parts.push(part)
    if (last) return Buffer.concat(parts)
  }
}

test('parts of any size make one cell of the whole', async () => {
  const rig = vaultRig()
  const program = app()
  const content = Buffer.alloc(3 * MiB, 'the same again and again, ')
  const id = rig.vaultRuns.begin(program, { ...SEAL, context: Uint8Array.of(7) })
  for (let at = 0, size = 1; at < content.length; at += size, size = size * 3 + 1) {
    rig.vaultRuns.write(program, id, content.subarray(at, at + size))
  }
  const { size, peer } = await rig.vaultRuns.finish(program, id)
  expect({ size, peer }).toEqual({ size: content.length + 44, peer: null })
  const cell = readAll(rig, program, id)
  const opened = decryptSeal(rig.keys.current.vaultSealKey(), cell, cellContext('local', Uint8Array.of(7)))
  expect(Buffer.compare(opened, content)).toBe(0)
  expect(rig.vaultRuns.heldBytes).toBe(0)
  expect(() => rig.vaultRuns.read(program, id)).toThrow(expect.objectContaining({ code: 'NO_SUCH_VAULT_RUN' }))
})

test('more than the limit ends the run, and what it held is free', () => {
  const { vaultRuns } = vaultRig()
  const program = app()
  const id = vaultRuns.begin(program, SEAL)
  for (let i = 0; i < 4; i++) vaultRuns.write(program, id, new Uint8Array(MiB))
  expect(() => vaultRuns.write(program, id, new Uint8Array(1))).toThrow(
    expect.objectContaining({ code: 'TOO_LARGE', data: { bytesMax: VAULT_LIMITS.vaultBytesMax } })
  )
  expect(vaultRuns.heldBytes).toBe(0)
  expect(vaultRuns.begin(program, SEAL)).not.toBe(id)
})

test('what all hold together is bounded, and a part that was refused can be given again', () => {
  const { vaultRuns } = vaultRig()
  const [first, second] = [app(), app()]
  const firstId = vaultRuns.begin(first, SEAL)
  const secondId = vaultRuns.begin(second, SEAL)
  vaultRuns.write(first, firstId, new Uint8Array(4 * MiB))
  vaultRuns.write(second, secondId, new Uint8Array(2 * MiB))
  expect(() => vaultRuns.write(second, secondId, new Uint8Array(1))).toThrow(
    expect.objectContaining({ code: 'VAULT_BUSY' })
  )
  first.leave()
  vaultRuns.write(second, secondId, new Uint8Array(1))
  expect(vaultRuns.heldBytes).toBe(2 * MiB + 1)
})

test('a connection has one run at a time, and none of another', async () => {
  const { vaultRuns } = vaultRig()
  const [first, second] = [app(), app()]
  const id = vaultRuns.begin(first, SEAL)
  expect(() => vaultRuns.begin(first, SEAL)).toThrow(expect.objectContaining({ code: 'VAULT_BUSY' }))
  const none = expect.objectContaining({ code: 'NO_SUCH_VAULT_RUN' })
  expect(() => vaultRuns.write(second, id, new Uint8Array(1))).toThrow(none)
  await expect(vaultRuns.finish(second, id)).rejects.toEqual(none)
  expect(() => vaultRuns.read(first, id)).toThrow(none)
  vaultRuns.cancel(first, id)
  expect(() => vaultRuns.cancel(first, id)).toThrow(none)
})

test('a failure ends the run', async () => {
  const { vaultRuns } = vaultRig()
  const program = app()
  const id = vaultRuns.begin(program, { operation: 'open', caller: 'local' })
  vaultRuns.write(program, id, new Uint8Array(100))
  await expect(vaultRuns.finish(program, id)).rejects.toMatchObject({ code: 'INVALID_MESSAGE' })
  expect(vaultRuns.begin(program, SEAL)).not.toBe(id)
})

test('a contact that is not there is told at the beginning', () => {
  const { vaultRuns } = vaultRig()
  const use = { operation: 'encrypt', caller: 'local', peer: 'nobody' } as const
  expect(() => vaultRuns.begin(app(), use)).toThrow(expect.objectContaining({ code: 'NO_SUCH_PEER' }))
})
