import type { CompareResult, WaitingComparison } from '@parley/client-sdk/contract'
import type { CompareGiven } from '../../../src/peer/compare/api.ts'
import { type House, type Town, textBody } from '../town.ts'

export const NEVER: AbortSignal = new AbortController().signal

interface Given extends Partial<CompareGiven> {
  readonly question?: string
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** A program of `from` starts a comparison. */
export function start(from: House, to: string, secret: string, given: Given = {}): Promise<CompareResult> {
  const { question = '', purpose = 'compare', id, timeoutMs = 300_000, signal = NEVER } = given
  const contact = from.manager.resolve(to)
  return outcome(
    from.comparisons.start({ contact, secret: textBody(secret), question, purpose, timeoutMs, id }, signal)
  )
}

/** A program answers what waits at `at`. */
export function answer(at: House, compare: string, secret: string, given: Given = {}): Promise<CompareResult> {
  const { purpose = 'compare', id, signal = NEVER } = given
  return outcome(at.comparisons.answer({ compare, secret: textBody(secret), purpose, id }, signal))
}

/** What waits at a house, once something does. */
export async function waitingAt(town: Town, house: House): Promise<WaitingComparison> {
  await town.until(() => house.comparisons.waiting().length > 0)
  const [waiting] = house.comparisons.waiting()
  if (waiting === undefined) throw new Error('nothing waits')
  return waiting
}

/** One whole comparison: who starts it, then who answers. */
export async function compare(
  town: Town,
  [from, to]: readonly [House, House],
  [ours, theirs]: readonly [string, string],
  given: { readonly from?: Given; readonly to?: Given } = {}
): Promise<[CompareResult, CompareResult]> {
  const started = start(from, to.name, ours, given.from)
  let failed: unknown
  started.catch(error => {
    failed = error
  })
  await town.until(() => failed !== undefined || to.comparisons.waiting().length > 0)
  const [waiting] = to.comparisons.waiting()
  if (waiting === undefined) throw failed
  return town.run(Promise.all([started, answer(to, waiting.compare, theirs, given.to)]))
}

/** The code of what a call fails with. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    error => String(error.code)
  )
}

/** Not unhandled while the test looks elsewhere. */
function outcome<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {})
  return work
}
