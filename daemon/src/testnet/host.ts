// A process for several daemons of a test network, each with a home, a store, a libp2p node and a socket of its own. Its parent sends
// `{ home, logFile }` for each that it is to run, and hears `{ home, code }` of each that ended; without a parent it ends.
import { EventEmitter } from 'node:events'
import { loadSettings, runDaemon } from '../offline.ts'

type Host = Parameters<typeof runDaemon>[0]['host']

interface Order {
  readonly home: string
  readonly logFile: string
}

/** Each daemon listens for the signals of its process; here one signal reaches all. */
const signals = new EventEmitter().setMaxListeners(0)
const host: Host = {
  pid: process.pid,
  stderr: process.stderr,
  on: signals.on.bind(signals) as Host['on'],
  off: signals.off.bind(signals) as Host['off'],
  exit: process.exit.bind(process)
}
const running = new Set<Promise<void>>()

async function run({ home, logFile }: Order): Promise<void> {
  let code = 2
  try {
    const loaded = loadSettings({ host: { env: {}, platform: process.platform }, home })
    code = await runDaemon({ loaded, host, logFile, onReady: async () => {} })
  } catch (error) {
    process.stderr.write(`${home}: ${error instanceof Error ? error.stack : error}\n`)
  }
  if (process.connected) process.send?.({ home, code })
}

async function end(): Promise<void> {
  signals.emit('SIGTERM')
  await Promise.all(running)
  process.exit()
}

process.on('message', (order: Order) => {
  const daemon = run(order).finally(() => running.delete(daemon))
  running.add(daemon)
})
process.on('SIGTERM', () => void end())
process.on('SIGINT', () => void end())
process.on('disconnect', () => void end())
