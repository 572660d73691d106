import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Client } from '../src/client.ts'
import { connect } from '../src/connect.ts'
import { RealServer } from './support/real-server.ts'

const MiB = 1024 * 1024

let server: RealServer
let parley: Client

beforeEach(async () => {
  const made = RealServer.inMemory()
  server = made.server
  await server.start()
  parley = await connect({ socket: 'memory', open: made.open, clock: made.clock })
})

afterEach(async () => {
  await parley.close()
  await server.stop()
})

async function* partsOf(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}

describe('the vault', () => {
  it('opens what it sealed, given as text, as bytes, or in parts', async () => {
    const text = new TextEncoder().encode('a secret')
    for (const input of ['a secret', text, partsOf(text.subarray(0, 3), new Uint8Array(0), text.subarray(3))]) {
      const cell = await parley.vault.seal(input, { context: 'a' })
      expect(cell).toHaveLength(text.length + 44)
      expect(await parley.vault.open(cell, { context: new TextEncoder().encode('a') })).toEqual(text)
      await expect(parley.vault.open(cell)).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED' })
    }
  })

  it('takes several large inputs of a client at a time', async () => {
    const contents = [1, 2, 3].map(byte => new Uint8Array(2 * MiB).fill(byte))
    const cells = await Promise.all(contents.map(content => parley.vault.seal(content)))
    for (const [i, cell] of cells.entries()) {
      const opened = await parley.vault.open(cell)
      expect(Buffer.compare(opened, contents[i] as Uint8Array)).toBe(0)
    }
  })

  it('goes on after an input that failed, one that was too large, and one that was given up', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(10)
      throw new Error('the pipe broke')
    }
    await expect(parley.vault.seal(failing())).rejects.toThrow('the pipe broke')
    const part = new Uint8Array(MiB)
    await expect(parley.vault.seal(partsOf(part, part, part, part, part))).rejects.toMatchObject({ code: 'TOO_LARGE' })
    const aborted = AbortSignal.abort(new Error('not wanted'))
    await expect(parley.vault.seal(partsOf(part), { signal: aborted })).rejects.toThrow('not wanted')
    await expect(parley.vault.seal(partsOf())).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
    expect(await parley.vault.open(await parley.vault.seal(part))).toHaveLength(MiB)
  })

  it('refuses to sign what stands for the daemon, and to use the key of nobody', async () => {
    await expect(parley.vault.sign('parley/card/v1\0')).rejects.toMatchObject({ code: 'RESERVED_CONTENT' })
    await expect(parley.vault.encrypt('carol', 'x')).rejects.toMatchObject({ code: 'NO_SUCH_PEER' })
    const message = await parley.vault.encrypt('bob', 'for bob')
    await expect(parley.vault.decrypt('bob', message.subarray(0, -1))).rejects.toMatchObject({
      code: 'INVALID_MESSAGE'
    })
    await expect(parley.vault.verify('bob', await parley.vault.sign('by me'))).rejects.toMatchObject({
      code: 'AUTHENTICATION_FAILED'
    })
  })
})

describe('the audit log', () => {
  it('is read to its end, whatever its pages', async () => {
    // This book of contacts refuses: each call leaves what was wanted, and that it failed.
    for (let i = 0; i < 150; i++) {
      await expect(parley.peers.add('parley:card:x')).rejects.toMatchObject({ code: 'CARD_INVALID' })
    }
    const indexes: number[] = []
    for await (const { index } of parley.audit.entries()) indexes.push(index)
    expect(indexes).toEqual(Array.from({ length: 300 }, (_, i) => i + 1))
    const { count, head, entries } = await parley.audit.page({ after: 299 })
    expect(entries).toMatchObject([{ index: 300, action: 'peer.added', detail: { failed: 'CARD_INVALID' } }])
    expect(await parley.audit.verify()).toEqual({ ok: true, count, head })
  })
})
