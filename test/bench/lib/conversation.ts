import { fileURLToPath } from 'node:url'
import { type Client, connect } from '@parley/client-sdk'
import { type DaemonProcess, StartedProcess, startDaemon } from '../../support/daemon-process.ts'
import { makeTempHome } from '../../support/temp-home.ts'
import { until } from '../../support/until.ts'

/** Two daemons that know each other, with an app on each: this process, and one of its own at the far end. */
export interface Conversation {
  /** The app here, on daemon "alice". */
  readonly alice: Client
  /** Its daemons, for their memory. */
  readonly daemons: readonly DaemonProcess[]
  /** Resolves once the app at the far end has had so many more messages on channel "pour". */
  received(count: number): Promise<void>
  close(): Promise<void>
}

/** Starts two real daemons and the app at the far end: four processes with this one. */
export async function startConversation(): Promise<Conversation> {
  const homes = [makeTempHome(), makeTempHome()]
  const daemons = await Promise.all(
    homes.map((home, i) =>
      startDaemon({
        home: home.path,
        args: ['--id', i === 0 ? 'alice' : 'bob', '--profile', 'test', '--log-level', 'warn']
      })
    )
  )
  const [alice, bob] = await Promise.all(homes.map(home => connect({ home: home.path })))
  if (alice === undefined || bob === undefined) throw new Error('two daemons make two clients')
  await alice.peers.add(await bob.card(), { name: 'bob' })
  await bob.peers.add(await alice.card(), { name: 'alice' })
  await bob.close()
  await until('a session between the two daemons', async () => (await alice.status()).sessions === 1)
  const file = fileURLToPath(new URL('app-receiver.ts', import.meta.url))
  const app = new StartedProcess(file, [daemons[1]?.home ?? '', 'alice'], { home: daemons[1]?.home ?? '' })
  await app.printed(/subscribed/)
  return {
    alice,
    daemons,
    async received(count) {
      const done = app.nextLine(/^got \d+$/)
      app.write(`expect ${count}\n`)
      await done
    },
    async close() {
      await alice.close()
      app.end()
      await app.exited
      await Promise.all(daemons.map(daemon => daemon.stop()))
      for (const home of homes) home.remove()
    }
  }
}
