// A process of its own that uses the store: `node child.ts MODE DIRECTORY`, one line on stdout for each thing done.
import { SystemClock } from '../../src/actor/system-clock.ts'
import { systemRandomBytes } from '../../src/random.ts'
import { GuardedStore } from '../../src/store/guarded.ts'
import { LevelStore } from '../../src/store/level.ts'
import type { StoreWrite } from '../../src/store/port.ts'

const [mode, directory] = process.argv.slice(2)
if (directory === undefined) throw new Error('usage: child.ts MODE DIRECTORY')

/** Few enough for LevelDB to merge no tables: a merged one would be longer than the limit on file sizes allows. */
const FILL_BATCH_COUNT = 20

const PARTS = ['inbox', 'lanes', 'consumers'] as const

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Batch number `index`: the same value in three sublevels. */
function batchOf(index: number, lengthBytes: number): StoreWrite[] {
  const key = new Uint8Array(4)
  new DataView(key.buffer).setUint32(0, index)
  const value = new Uint8Array(lengthBytes).fill(index)
  return PARTS.map(sublevel => ({ type: 'put', sublevel, key, value }))
}

const store = new LevelStore(directory)
if (mode === 'open') {
  try {
    await store.open()
    say('opened')
    await store.close()
  } catch (error) {
    say((error as { code: string }).code)
  }
} else if (mode === 'write') {
  await store.open()
  for (let index = 0; ; index++) {
    const sync = index % 5 === 4
    await store.batch(batchOf(index, 300), { sync })
    say(`${sync ? 'synced' : 'written'} ${index}`)
  }
} else if (mode === 'guard') {
  // Under the same limit as below, and nothing here knows how to open again.
  let back = Promise.withResolvers<void>()
  const guarded = new GuardedStore(
    {
      store,
      clock: new SystemClock(),
      randomBytes: systemRandomBytes,
      onChange: ({ isAvailable }) => {
        say(isAvailable ? 'back' : 'lost')
        if (isAvailable) back.resolve()
      }
    },
    { backOffMs: 5, backOffMaxMs: 50 }
  )
  await guarded.open()
  for (let index = 0; index < FILL_BATCH_COUNT; index++) {
    try {
      await guarded.batch(batchOf(index, 2_000), { sync: true })
      say(`synced ${index}`)
    } catch {
      say(`failed ${index}`)
      await back.promise
      back = Promise.withResolvers()
    }
  }
  await guarded.close()
} else {
  // Under a limit on file sizes, which the log of the database meets again and again.
  await store.open()
  for (let index = 0; index < FILL_BATCH_COUNT; index++) {
    try {
      await store.batch(batchOf(index, 2_000), { sync: true })
      say(`synced ${index}`)
    } catch (error) {
      say(`failed ${index} ${(error as { code: string }).code}`)
      for (const call of [
        async () => store.get('inbox', new Uint8Array(4)),
        () => store.batch(batchOf(index, 1), { sync: true })
      ]) {
        say(
          `then ${await call().then(
            () => 'worked',
            cause => (cause as { code: string }).code
          )}`
        )
      }
      await store.open()
      say('reopened')
    }
  }
  await store.close()
}
