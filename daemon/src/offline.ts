import { homedir, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeOrigin, type LoadedConfig, loadConfig, SETTINGS } from '@parley/config'
import type { Clock } from './actor/clock.ts'
import { SystemClock } from './actor/system-clock.ts'
import type { PassphraseSource } from './identity/passphrase.ts'
import { systemRandomBytes } from './random.ts'

// The door to what needs no running daemon, for the commands and for test networks. What is heavy is loaded when it is used.

export type { LoadedConfig }
export { describeOrigin, SETTINGS }

/** The file that starts a daemon, for `node FILE --home DIR`. */
export const parleydFile: string = fileURLToPath(new URL('../bin/parleyd.js', import.meta.url))

/** The file that keeps a test network up: the compiled one, from the sources as well as from the build. */
export const testnetFile: string = fileURLToPath(new URL('../dist/testnet/main.js', import.meta.url))

/** Where the test network of this user lies that nobody gave a folder. */
export function defaultTestnetDir(): string {
  return join(tmpdir(), `parley-testnet-${userInfo().uid}`)
}

/** The part of a process that settings depend on. */
export interface SettingsHost {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly platform: string
}

export interface SettingsOptions {
  readonly host: SettingsHost
  readonly home?: string | undefined
  readonly configFile?: string | undefined
  /** By key: `{ 'network.listen': ['/ip4/127.0.0.1/tcp/0'] }`. */
  readonly flags?: Readonly<Record<string, string | readonly string[]>>
}

/** Loads the configuration that a daemon would get. @throws {ConfigError} */
export function loadSettings(options: SettingsOptions): LoadedConfig {
  const { host, ...more } = options
  return loadConfig({ env: host.env, platform: host.platform, userHome: host.env['HOME'] || homedir(), ...more })
}

/** What `parley init` tells. */
export interface NewIdentity {
  readonly id: string
  readonly nodeId: string
  readonly fingerprint: string
  readonly stateDir: string
}

/**
 * Makes an identity, sealed by the passphrase of the settings where they name one.
 *
 * @throws {DaemonError} `ALREADY_INITIALIZED` `NAME_INVALID` `PASSPHRASE_INVALID` `KEYRING_MODE` `STORE_UNAVAILABLE`
 */
export async function initialize(loaded: LoadedConfig, host: SettingsHost): Promise<NewIdentity> {
  const { makeIdentity } = await import('./first-run.ts')
  const passphrase = await passphraseOf(loaded, host)
  const { stateDir } = loaded.paths
  const { id } = loaded.config.node
  const { keyring } = await makeIdentity({ stateDir, id, clock, randomBytes: systemRandomBytes, passphrase })
  const fingerprint = Buffer.from(keyring.fingerprint).toString('hex')
  return { id: keyring.id, nodeId: keyring.nodeId, fingerprint, stateDir }
}

/** The passphrase of the settings or of systemd; `prompt` is asked where neither has one and one is needed. */
export async function passphraseOf(
  loaded: LoadedConfig,
  host: SettingsHost,
  prompt?: () => Promise<Uint8Array | undefined>
): Promise<PassphraseSource> {
  const { passphraseSource } = await import('./identity/passphrase.ts')
  const file = loaded.config.identity.passphraseFile
  return passphraseSource({ file, credentialsDirectory: host.env['CREDENTIALS_DIRECTORY'], prompt })
}

/** What is done with the identity of a home while no daemon runs. @see home-identity.ts */
export async function homeIdentity(
  loaded: LoadedConfig,
  passphrase: PassphraseSource
): Promise<{
  readonly options: import('./home-identity.ts').HomeOptions
  readonly api: typeof import('./home-identity.ts')
}> {
  const api = await import('./home-identity.ts')
  return { api, options: { stateDir: loaded.paths.stateDir, clock, randomBytes: systemRandomBytes, passphrase } }
}

/** The passphrase in a file. @see readPassphraseFile in identity/passphrase.ts */
export async function readPassphraseFile(path: string): Promise<Uint8Array> {
  const { readPassphraseFile } = await import('./identity/passphrase.ts')
  return readPassphraseFile(path)
}

/** Reads out the store of a home whose daemon does not run. @see exportStore in store/export-store.ts */
export async function exportStore(...options: Parameters<typeof import('./store/export-store.ts').exportStore>) {
  const { exportStore } = await import('./store/export-store.ts')
  return exportStore(...options)
}

/** Runs a daemon in this process until it is stopped. @see runDaemon in main.ts */
export async function runDaemon(...options: Parameters<typeof import('./main.ts').runDaemon>): Promise<number> {
  const { runDaemon } = await import('./main.ts')
  return runDaemon(...options)
}

/** A QR code for a terminal, drawn with half blocks. */
export async function qrCode(text: string): Promise<string> {
  const { renderUnicodeCompact } = await import('uqr')
  return renderUnicodeCompact(text)
}

/** The clock of this host. */
export const clock: Clock = new SystemClock()

/** Resolves after `delayMs`, or at once with the signal's reason thrown when it is aborted. */
export function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  const done = Promise.withResolvers<void>()
  const timer = clock.timer(delayMs, done.resolve)
  const stop = (): void => {
    timer.cancel()
    done.reject(signal.reason)
  }
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  return done.promise.finally(() => signal.removeEventListener('abort', stop))
}
