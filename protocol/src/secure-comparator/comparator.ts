import { assertBytes, drawBytes, type RandomBytes } from '../bytes.ts'
import { type ComparatorResult, type ComparatorRole, type ComparatorState, resultOf, wipeLeftState } from './state.ts'
import { type ScalarName, type StepDeps, step } from './step.ts'

export interface SecureComparatorOptions {
  /** Asked for 32 bytes for each own scalar and 64 for the nonce of each proof, which are overwritten after use. */
  readonly randomBytes: RandomBytes
  /** Instead of 32 bytes of `randomBytes` for each own scalar; they are clamped, and overwritten. For replays of vectors. */
  readonly drawScalar?: (name: ScalarName) => Uint8Array
}

/**
 * One Themis Secure Comparator: two sides learn whether they hold the same secret, and nothing else of it.
 *
 * Whole messages go in and out. Both append the secret; the initiator then sends what {@link begin} gives, and both
 * send on what {@link receive} gives until it gives nothing or the {@link result} stands. A bad proof is not reported:
 * the result turns to `no-match`, the exchange runs on, and the other side may see a match; a result is this side's
 * own. A message that cannot be read changes nothing. For one comparison; the secret is wiped at the first message.
 * Each run is one guess for the peer: whoever owns this counts the runs.
 */
export class SecureComparator implements Disposable {
  readonly #stepDeps: StepDeps
  #state: ComparatorState = { tag: 'empty' }
  #role: ComparatorRole | undefined
  #result: ComparatorResult = 'pending'
  #hasFailed = false

  constructor({ randomBytes, drawScalar = () => drawBytes(randomBytes, 32) }: SecureComparatorOptions) {
    this.#stepDeps = { randomBytes, drawScalar }
  }

  /** `pending` until decided. `no-match` may appear before the last message, and stands; `match` is final. */
  get result(): ComparatorResult {
    return this.#result
  }

  /**
   * Whether a proof of the peer did not hold, or it sent points that nobody draws: it does not follow the protocol, or its messages were
   * changed on the way. Nothing in the replies shows it.
   */
  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /** Known once the first message was made. */
  get role(): ComparatorRole | undefined {
    return this.#role
  }

  /** Whether nothing more is awaited: compared, or wiped. */
  get finished(): boolean {
    return this.#state.tag === 'compared' || this.#state.tag === 'closed'
  }

  /**
   * Adds to the secret. Pieces are joined: `ab` and `c` are the secret of `a` and `bc`.
   *
   * @param piece - at least one byte; copied
   * @throws {TypeError} for what is not bytes
   * @throws {RangeError} for an empty piece
   * @throws {ProtocolError} `INVALID_STATE` once the first message was made
   */
  append(piece: Uint8Array): void {
    assertBytes(piece, 'piece')
    const { state } = step(this.#state, { type: 'append', piece }, this.#stepDeps)
    this.#commit(state)
  }

  /**
   * Begins the comparison, as its initiator.
   *
   * @returns message 1
   * @throws {ProtocolError} `INVALID_STATE` without a secret, or when called again
   */
  begin(): Uint8Array {
    const { state, reply } = step(this.#state, { type: 'begin' }, this.#stepDeps)
    this.#role = 'initiator'
    this.#commit(state)
    return reply as Uint8Array
  }

  /**
   * Takes one message of the peer. The first one makes this side the responder, unless it has begun.
   *
   * @param bytes - one whole message; what follows its end is ignored
   * @returns what is to be sent, or `undefined` at the initiator's end
   * @throws {ProtocolError} `INVALID_MESSAGE`; `UNEXPECTED_MESSAGE` when finished; `INVALID_STATE` without a secret
   * @throws {TypeError} for what is not bytes
   */
  receive(bytes: Uint8Array): Uint8Array | undefined {
    assertBytes(bytes, 'bytes')
    const { state, reply } = step(this.#state, { type: 'peer-bytes', bytes }, this.#stepDeps)
    this.#role ??= 'responder'
    this.#commit(state)
    return reply
  }

  /** Overwrites the secrets and ends the comparison; the result stays as it is. May be called again. */
  wipe(): void {
    const left = this.#state
    this.#state = { tag: 'closed' }
    wipeLeftState(left, this.#state)
  }

  [Symbol.dispose](): void {
    this.wipe()
  }

  #commit(next: ComparatorState): void {
    const left = this.#state
    this.#state = next
    this.#result = resultOf(next)
    this.#hasFailed = 'hasFailed' in next && next.hasFailed
    wipeLeftState(left, next)
  }
}
