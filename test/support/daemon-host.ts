// Many daemons in one process, each with its own home, store, libp2p node and socket: for tests that need hundreds of peers.
//
//   node daemon-host.ts FOLDER COUNT [FIRST]
//
// Homes are FOLDER/0, FOLDER/1, …; IDs peer-FIRST, peer-(FIRST + 1), … from 0 on unless said. Prints `ready INDEX` for each; TERM stops them all.
import { EventEmitter } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { loadSettings, runDaemon } from '../../daemon/dist/offline.js'

const [folder = '', count = '0', first = '0'] = process.argv.slice(2)

type Host = Parameters<typeof runDaemon>[0]['host']

/** One process for all of them; signals reach each. */
const signals = new EventEmitter().setMaxListeners(0)
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => signals.emit(signal))
const host = {
  pid: process.pid,
  stderr: process.stderr,
  on: signals.on.bind(signals),
  off: signals.off.bind(signals),
  exit: process.exit.bind(process)
} as unknown as Host

async function run(index: number): Promise<number> {
  const home = join(folder, String(index))
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const flags = {
    'node.id': `peer-${Number(first) + index}`,
    'node.profile': 'test',
    'network.listen': ['/ip4/127.0.0.1/tcp/0'],
    'log.level': 'error'
  }
  const loaded = loadSettings({ host: { env: {}, platform: process.platform }, home, flags })
  const ready = Promise.withResolvers<void>()
  const ended = runDaemon({ loaded, host, onReady: async () => ready.resolve() })
  await Promise.race([ready.promise, ended])
  process.stdout.write(`ready ${index}\n`)
  return ended
}

const codes = await Promise.all(Array.from({ length: Number(count) }, (_, index) => run(index)))
process.exitCode = Math.max(0, ...codes)
