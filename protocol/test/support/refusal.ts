import { expect } from 'vitest'
import { ProtocolError, type ProtocolErrorCode } from '../../src/errors.ts'

/** The code of the `ProtocolError` that `run` throws; anything else thrown, or nothing, fails the test. */
export function codeOf(run: () => unknown): ProtocolErrorCode {
  let thrown: unknown
  try {
    run()
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(ProtocolError)
  return (thrown as ProtocolError).code
}

/** Runs a decoder on hostile bytes: it may succeed, or throw a `ProtocolError`, and nothing else. */
export function succeedsOrRefuses(run: () => unknown): boolean {
  try {
    run()
    return true
  } catch (error) {
    if (error instanceof ProtocolError) return false
    throw error
  }
}

/** The code of the `ProtocolError` that `pending` rejects with; any other outcome fails the test. */
export async function codeOfRejection(pending: Promise<unknown>): Promise<ProtocolErrorCode> {
  const outcome: unknown = await pending.catch((error: unknown) => error)
  expect(outcome).toBeInstanceOf(ProtocolError)
  return (outcome as ProtocolError).code
}
