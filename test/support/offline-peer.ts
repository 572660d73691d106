import { type Client, connect } from '@parley/client-sdk'
import { startDaemon } from './daemon-process.ts'

/** Makes `bob` a contact of a daemon, known each to the other: a daemon of his own runs in `home` while cards are changed, and no longer. */
export async function addOfflineBob(
  client: Client,
  home: string,
  env: Readonly<Record<string, string>>
): Promise<void> {
  const bob = await startDaemon({ home, args: ['--id', 'bob'], env })
  try {
    await using bobsClient = await connect({ socket: bob.socketPath })
    await client.peers.add(await bobsClient.card(), { name: 'bob' })
    await bobsClient.peers.add(await client.card(), { name: 'alice' })
  } finally {
    await bob.stop()
  }
}
