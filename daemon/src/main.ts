import { mkdirSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import type { Config, LoadedConfig } from '@parley/config'
import type { Clock } from './actor/clock.ts'
import { SystemClock } from './actor/system-clock.ts'
import { DaemonError } from './errors.ts'
import { finishImport, loadOrMakeIdentity } from './first-run.ts'
import { heldInFile } from './identity/keyring-file.ts'
import type { KeyringHolder } from './identity/keyring-holder.ts'
import type { InterfaceAddress } from './identity/own-card.ts'
import { NO_PASSPHRASE, type PassphraseSource } from './identity/passphrase.ts'
import { UnixAppServer } from './ipc/http-server.ts'
import { KeptPortsTransport } from './kept-ports.ts'
import { createNode, type ParleyNode } from './node.ts'
import { createLog } from './observe/log.ts'
import { openLogFile } from './observe/log-file.ts'
import type { Log } from './observe/log-port.ts'
import { ThreadComparator } from './peer/compare/thread.ts'
import { type RandomBytes, systemRandomBytes } from './random.ts'
import { type DaemonHost, EXIT_INTERNAL, StopRequest } from './stop-request.ts'
import { type Availability, GuardedStore } from './store/guarded.ts'
import { LevelStore } from './store/level.ts'
import type { Store } from './store/port.ts'
import { ReserveFile } from './store/reserve-file.ts'
import { isSealed, sealerFollowing } from './store/sealed.ts'
import { createLibp2pTransport } from './transport/libp2p.ts'
import type { Transport } from './transport/port.ts'

export interface RunOptions {
  readonly loaded: LoadedConfig
  readonly host: DaemonHost
  /** Where to log instead of standard error. */
  readonly logFile?: string | undefined
  /** Of the keyring; absent where it needs none. */
  readonly passphrase?: PassphraseSource
  /** Called once, when apps and peers can reach the daemon. */
  readonly onReady: () => Promise<void>
}

const LOG_FILE_BYTES_MAX = 10 * 1024 * 1024
/** What a stop may take beyond the time to drain, before the process is ended all the same. */
const STOP_GRACE_MS = 5_000

/**
 * Runs a daemon until it is stopped: by a signal, by an app, or because a part failed that nothing can replace.
 *
 * Order of the start: store (its lock is the daemon's), keyring, migrations, what is kept, socket, listen, dial.
 *
 * @returns the exit code: 0 after an orderly stop, 2 after a failure
 * @throws {DaemonError} when it cannot start; `ALREADY_RUNNING` where another daemon has the home. Nothing is left behind then
 */
export async function runDaemon(options: RunOptions): Promise<number> {
  const { loaded, host } = options
  const clock = new SystemClock()
  const log = createLog({ ...loaded.config.log, write: logWriter(options) })
  const stop = new StopRequest(host, clock, log)
  try {
    const node = await start(options, { clock, log, requestStop: () => stop.request('an app asked for it') })
    try {
      await options.onReady()
      await Promise.race([stop.requested, stop.failed, node.failed.then(error => stop.fail(error))])
    } finally {
      if (!(await hasStopped(node, { clock, log, config: loaded.config }))) stop.exitCode = EXIT_INTERNAL
    }
    return stop.exitCode
  } finally {
    stop.dispose()
  }
}

interface Running {
  readonly clock: Clock
  readonly log: Log
  readonly requestStop: () => void
}

async function start(options: RunOptions, running: Running): Promise<ParleyNode> {
  const { loaded, host } = options
  const { config, paths, socket } = loaded
  const { clock, log, requestStop } = running
  mkdirSync(paths.stateDir, { recursive: true, mode: 0o700 })
  await finishImport(paths.stateDir)
  let node: ParleyNode | undefined
  const store = await openStore(loaded, running, availability => node?.storeChanged(availability))
  try {
    const keys = await ownKeys(options, store, clock, systemRandomBytes)
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      version: string
    }
    node = createNode({
      config,
      clock,
      randomBytes: systemRandomBytes,
      transport: createTransport(loaded, keys, store, running),
      store,
      apps: createAppServer(config, socket, clock),
      keys,
      log,
      comparatorWorker: new ThreadComparator(clock),
      version,
      pid: host.pid,
      home: paths.home,
      interfaces: interfaceAddresses,
      ownsProcess: true,
      requestStop
    })
    await node.start()
    const { id, listen } = node.status()
    log.info({ id, nodeId: keys.current.nodeId, socket, listen, version }, 'ready')
    return node
  } catch (error) {
    await store.close()
    throw error
  }
}

async function openStore(
  { config: { limits }, paths }: LoadedConfig,
  { clock, log }: Running,
  tellNode: (availability: Availability) => void
): Promise<Store> {
  const store = new GuardedStore(
    {
      store: new LevelStore(join(paths.stateDir, 'store')),
      clock,
      randomBytes: systemRandomBytes,
      reserve: new ReserveFile(join(paths.stateDir, 'reserve'), limits.storeReserveBytes),
      onChange: availability => {
        if (availability.isAvailable) log.info({}, 'the store can be written again')
        else log.error({ err: availability.error }, 'the store cannot be written')
        tellNode(availability)
      }
    },
    { backOffMs: limits.storeBackOffMinMs, backOffMaxMs: limits.storeBackOffMaxMs }
  )
  try {
    await store.open()
    return store
  } catch (cause) {
    await store.close()
    if (!(cause instanceof DaemonError) || cause.code !== 'STORE_LOCKED') throw cause
    throw new DaemonError('ALREADY_RUNNING', `Another daemon has ${paths.stateDir} open.`, { cause })
  }
}

/** The keyring of the home, made at its first start; never where the store of the home shows that one was lost. */
async function ownKeys(
  options: RunOptions,
  store: Store,
  clock: Clock,
  randomBytes: RandomBytes
): Promise<KeyringHolder> {
  const { stateDir } = options.loaded.paths
  const { id } = options.loaded.config.node
  let hasContacts = false
  for await (const _ of store.range('peers', { limit: 1 })) hasContacts = true
  const { passphrase = NO_PASSPHRASE } = options
  const marks = { hasContacts, isSealed: isSealed(store) }
  const unlocked = await loadOrMakeIdentity({ stateDir, id, clock, randomBytes, passphrase, ...marks })
  return heldInFile(stateDir, unlocked, randomBytes)
}

function createTransport(loaded: LoadedConfig, keys: KeyringHolder, store: Store, { clock, log }: Running): Transport {
  const { limits, network } = loaded.config
  const keyring = keys.current
  return new KeptPortsTransport({
    nodeId: keyring.nodeId,
    listen: network.listen,
    isDefault: loaded.origins.get('network.listen')?.kind === 'default',
    store,
    sealer: sealerFollowing(() => keys.current.storeKeys, systemRandomBytes),
    log,
    create: async listen => {
      const privateKeySeed = keyring.nodeSeed()
      try {
        const admission = { ...limits, unprovenDeadlineMs: limits.handshakeTimeoutMs }
        return await createLibp2pTransport({ privateKeySeed, listen, clock, admission })
      } finally {
        privateKeySeed.fill(0)
      }
    }
  })
}

function createAppServer({ limits, socket }: Config, path: string, clock: Clock): UnixAppServer {
  return new UnixAppServer(
    {
      path,
      mode: Number.parseInt(socket.mode, 8),
      group: socket.group,
      requestBytesMax: limits.requestBytesMax,
      connectionCountMax: limits.appConnectionCountMax,
      requestTimeoutMs: limits.requestTimeoutMs
    },
    clock
  )
}

function interfaceAddresses(): InterfaceAddress[] {
  return Object.values(networkInterfaces()).flatMap(addresses =>
    (addresses ?? []).map(({ address, family }) => ({ address, family }))
  )
}

function logWriter({ host, logFile }: RunOptions): (line: string) => void {
  return logFile === undefined ? line => void host.stderr.write(line) : openLogFile(logFile, LOG_FILE_BYTES_MAX)
}

/** Stops a node, for a bounded time: a part that hangs does not keep the process. */
async function hasStopped(
  node: ParleyNode,
  { clock, log, config }: { clock: Clock; log: Log; config: Config }
): Promise<boolean> {
  const late = Promise.withResolvers<'late'>()
  const timer = clock.timer(config.limits.shutdownTimeoutMs + STOP_GRACE_MS, () => late.resolve('late'))
  const outcome = await Promise.race([node.stop().then(() => 'stopped' as const), late.promise])
  timer.cancel()
  if (outcome === 'late') log.error({}, 'stopping took too long: the process ends all the same')
  else log.info({}, 'stopped')
  return outcome === 'stopped'
}
