interface Watched {
  readonly runs: Set<(reason: unknown) => void>
  readonly listener: () => void
}

/**
 * One listener for each signal, however many calls wait with it: an app may give one signal to thousands of sends, and Node warns of more than ten
 * listeners.
 */
export class AbortWatch {
  readonly #watched = new Map<AbortSignal, Watched>()

  /** Calls `run` once when `signal` is aborted, which it is not yet. Returns what takes that back; safe to call more than once. */
  watch(signal: AbortSignal | undefined, run: (reason: unknown) => void): () => void {
    if (signal === undefined) return noop
    let watched = this.#watched.get(signal)
    if (watched === undefined) {
      watched = this.#listen(signal)
      this.#watched.set(signal, watched)
    }
    const { runs, listener } = watched
    runs.add(run)
    return () => {
      if (!runs.delete(run) || runs.size > 0) return
      this.#watched.delete(signal)
      signal.removeEventListener('abort', listener)
    }
  }

  #listen(signal: AbortSignal): Watched {
    const runs = new Set<(reason: unknown) => void>()
    const listener = () => {
      this.#watched.delete(signal)
      const all = [...runs]
      runs.clear()
      for (const run of all) run(signal.reason)
    }
    signal.addEventListener('abort', listener, { once: true })
    return { runs, listener }
  }
}

function noop(): void {
  // There is no signal, so there is nothing to take back.
}
