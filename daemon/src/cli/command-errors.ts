/** What a command ends with when it is used wrongly. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'USAGE'
  /** What to do next, where it is more than to see the help. */
  readonly action: string | undefined

  constructor(message: string, action?: string) {
    super(message)
    this.action = action
  }
}

/** What a command ends with when its `--timeout` is over. */
export class TimedOutError extends Error {
  override readonly name = 'TimedOutError'
  readonly code = 'TIMED_OUT'
}
