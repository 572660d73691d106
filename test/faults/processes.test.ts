import { connect } from '@parley/client-sdk'
import { expect, it } from 'vitest'
import { DaemonProcess } from '../support/daemon-process.ts'
import { Pair } from '../support/pair.ts'
import { until } from '../support/until.ts'

// Real daemons that are ended, or started twice.

const COUNT = 20_000

it('TERM during load: all that was accepted is there after the next start, and arrives once', async () => {
  await using pair = await Pair.start()
  const { alice, bob } = pair
  await bob.daemon.kill()
  const accepted: string[] = []
  const sending = Array.from({ length: COUNT }, async (_, number) => {
    await alice.client.send('bob', String(number), { channel: 'load' })
    accepted.push(String(number))
  })
  await until('some to be accepted', () => accepted.length > 200)
  await alice.daemon.stop()
  const exit = await alice.daemon.exited
  expect(exit).toEqual({ code: 0, signal: null })
  const before = accepted.length
  await pair.restart(alice)
  await pair.restart(bob)
  await Promise.all(sending)
  expect(before).toBeLessThan(COUNT)
  const heard: string[] = []
  for await (const message of bob.client.messages({ channel: 'load', consumer: 'load' })) {
    heard.push(message.text())
    if (heard.length % 100 === 0) await message.ack()
    if (heard.length === COUNT) break
  }
  expect(heard).toEqual(Array.from({ length: COUNT }, (_, number) => String(number)))
})

it('a second daemon on the same home ends at once, and the first goes on', async () => {
  await using pair = await Pair.start()
  const { alice } = pair
  const second = new DaemonProcess({ home: alice.home.path })
  const exit = await second.exited
  expect(exit.code).not.toBe(0)
  expect(second.stderr).toMatch(/ALREADY_RUNNING|already/i)
  const receipt = await alice.client.send('bob', 'still here', { channel: 'c' })
  await receipt.stored()
  await using other = await connect({ socket: alice.daemon.socketPath })
  expect((await other.status()).pid).toBe(alice.daemon.pid)
})
