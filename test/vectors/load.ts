import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ProtocolError, type ThemisOperation, themisStatus } from '@parley/protocol'
import { afterAll, expect } from 'vitest'

/** What every case of every file has. */
export interface VectorCase {
  readonly id: string
  readonly desc: string
  readonly policy: Policy
}

export type Policy = 'must' | 'any' | 'harden'

export interface Expectation {
  readonly ok: boolean
  readonly status: number | null
}

export type GeneratedMessage = string | { readonly gen: string; readonly length: number }

/** Reads a vector file and prints, when its tests are done, how many cases it has, all of which are run. */
export function loadVectors<Case extends VectorCase>(file: string): { readonly cases: readonly Case[] } {
  const text = readFileSync(new URL(`data/${file}`, import.meta.url), 'utf8')
  const { cases } = JSON.parse(text) as { readonly cases: readonly Case[] }
  afterAll(() => {
    const count = (policy: Policy) => cases.filter(vector => vector.policy === policy).length
    const policies = (['must', 'any', 'harden'] as const).map(policy => `${count(policy)} ${policy}`).join(', ')
    console.info(`${file}: ${cases.length} cases run (${policies})`)
  })
  return { cases }
}

/** The bytes of a value that may be absent. */
export function fromBase64OrNull(text: string | null): Uint8Array | undefined {
  return text === null ? undefined : fromBase64(text)
}

export function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

/** The bytes of a message that is given whole, or as a seed and a length. */
export function messageBytes(message: GeneratedMessage): Uint8Array {
  if (typeof message === 'string') return fromBase64(message)
  const blocks: Uint8Array[] = []
  for (let i = 0; i * 32 < message.length; i++) {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(i)
    blocks.push(createHash('sha256').update(message.gen).update(counter).digest())
  }
  return new Uint8Array(Buffer.concat(blocks).subarray(0, message.length))
}

/** Whether we are to succeed: as recorded, but for `any`, all of which we refuse. */
export function shouldSucceed(policy: Policy, expected: Expectation): boolean {
  return policy !== 'any' && expected.ok
}

/** Runs what must be refused; asserts that it is a `ProtocolError`, and gives its status number. */
export function statusOfRefusal(during: ThemisOperation, run: () => unknown): number {
  let refusal: unknown
  try {
    run()
  } catch (error) {
    refusal = error
  }
  expect(refusal).toBeInstanceOf(ProtocolError)
  return themisStatus(refusal, during)
}
