import { ThemisError, ThemisErrorCode } from './errors.ts'

let isInitialized = false

/**
 * There is nothing to initialize: everything works at once. Kept for programs that call it.
 *
 * @param _wasmPath - not looked at: there is no WebAssembly
 * @throws {ThemisError} 11 when called again, or after somebody waited for {@link initialized}
 */
export async function initialize(_wasmPath?: string): Promise<void> {
  if (isInitialized) throw new ThemisError('initialize', ThemisErrorCode.FAIL, 'can only be initialized once')
  isInitialized = true
}

/** A promise that counts as a call of {@link initialize} when it is first waited for. */
export type InitializedPromise = Pick<Promise<void>, 'then' | 'catch'>

/** Resolves at once. */
export const initialized: InitializedPromise = {
  // biome-ignore lint/suspicious/noThenProperty: programs await it, and waiting is what initializes
  then(fulfilled, rejected) {
    isInitialized = true
    return Promise.resolve().then(fulfilled, rejected)
  },
  catch(rejected) {
    isInitialized = true
    return Promise.resolve().catch(rejected)
  }
}
