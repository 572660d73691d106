import { type LoadedConfig, loadSettings, passphraseOf, runDaemon } from '../../src/offline.ts'
import { type CliResult, fakeHost, parley } from './fake-host.ts'

/** A whole daemon in this process: real socket, real store, loopback TCP. */
export interface LocalDaemon extends AsyncDisposable {
  readonly home: string
  readonly loaded: LoadedConfig
  /** What it logged so far. */
  readonly log: () => string
  /** The exit code. */
  readonly exited: Promise<number>
  /** As an operator would, with Ctrl-C. */
  interrupt(): void
  terminate(): void
  /** Runs `parley --home HOME ARGS`. */
  parley(args: readonly string[], more?: { readonly stdin?: string | Uint8Array }): Promise<CliResult>
}

const LISTEN = ['/ip4/127.0.0.1/tcp/0']

/** Starts a daemon and waits until it is ready. */
export async function startLocalDaemon(
  home: string,
  flags: Readonly<Record<string, string | readonly string[]>> = {}
): Promise<LocalDaemon> {
  const { host, err } = fakeHost({ args: [] })
  const loaded = loadSettings({ host, home, flags: { 'network.listen': LISTEN, ...flags } })
  const ready = Promise.withResolvers<void>()
  const passphrase = await passphraseOf(loaded, host)
  const exited = runDaemon({ loaded, host, passphrase, onReady: async () => ready.resolve() })
  exited.catch(ready.reject)
  await ready.promise
  const emit = (signal: string): void => {
    ;(host as unknown as NodeJS.EventEmitter).emit(signal)
  }
  return {
    home,
    loaded,
    exited,
    log: () => err.text,
    interrupt: () => emit('SIGINT'),
    terminate: () => emit('SIGTERM'),
    parley: (args, more = {}) => parley(['--home', home, ...args], more),
    [Symbol.asyncDispose]: async () => {
      emit('SIGTERM')
      await exited
    }
  }
}

/** Makes two daemons know each other, as `alice` and `bob`, and waits for their session. */
export async function introduce(alice: LocalDaemon, bob: LocalDaemon): Promise<void> {
  const exchange = async (from: LocalDaemon, name: string, to: LocalDaemon): Promise<void> => {
    const { stdout } = await from.parley(['card'])
    const added = await to.parley(['peer', 'add', '-', '--name', name], { stdin: stdout })
    if (added.code !== 0) throw new Error(added.stderr)
  }
  await exchange(alice, 'alice', bob)
  await exchange(bob, 'bob', alice)
  const waited = await alice.parley(['wait', '--for', 'peer=bob', '--timeout', '10s'])
  if (waited.code !== 0) throw new Error(waited.stderr)
}
