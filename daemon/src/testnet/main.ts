// The process that keeps the test network of `parley testnet up` up. Its argument is JSON, see `ManagerOptions`; it prints one line of JSON,
// what it runs or why it does not, and is there until `parley testnet down` or a signal.
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { ParleyError } from '@parley/client-sdk'
import { askManager, type ManagerOptions } from './control.ts'
import { Manager, sweep } from './manager.ts'

const EXIT_FAILED = 2

process.umask(0o077)
// The command that started this may be gone when the line is written.
process.stdout.on('error', () => undefined)
const options = JSON.parse(process.argv[2] ?? '{}') as ManagerOptions
process.exit(await run().catch(report))

async function run(): Promise<number> {
  if (options.sweepOnly) {
    await sweep(options.dir)
    await print({ result: { dir: options.dir } })
    return 0
  }
  const manager = new Manager(options)
  process.on('uncaughtException', crash)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => manager.requestStop())
  await manager.start()
  await print({ result: await askManager(options.dir, 'ls', {}) })
  await manager.stopRequested
  await manager.stop()
  return 0
}

/** Ends at once. The daemons, which are on a leash, end too; what is left of the folder is swept by the next command. */
function crash(error: Error): void {
  appendFileSync(join(options.dir, 'testnet.log'), `${error.stack}\n`)
  process.exit(EXIT_FAILED)
}

async function report(error: unknown): Promise<number> {
  const { message } = error instanceof Error ? error : new Error(String(error))
  const known = error instanceof ParleyError ? error : new ParleyError('INTERNAL', message)
  await print({ error: { code: known.code, message, action: known.action } })
  return EXIT_FAILED
}

function print(value: unknown): Promise<void> {
  return new Promise(resolve => process.stdout.write(`${JSON.stringify(value)}\n`, () => resolve()))
}
