import { existsSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeTempHome, type TempHome } from '../../test/support/temp-home.ts'
import { introduce, type LocalDaemon, startLocalDaemon } from './cli/local-daemon.ts'

// Real daemons on a busy machine.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let home: TempHome
beforeEach(() => {
  home = makeTempHome()
})
afterEach(() => home.remove())

const statusOf = async (daemon: LocalDaemon): Promise<{ id: string; listen: string[]; fingerprint: string }> =>
  JSON.parse((await daemon.parley(['status', '--json'])).stdout)

describe('a daemon', () => {
  it.each(['interrupt', 'terminate'] as const)(
    'stops in order at %s, with exit code 0 and no socket left',
    async how => {
      const daemon = await startLocalDaemon(home.path)
      expect(existsSync(home.file('parley.sock'))).toBe(true)
      daemon[how]()
      expect(await daemon.exited).toBe(0)
      expect(existsSync(home.file('parley.sock'))).toBe(false)
      expect(daemon.log()).toContain('stopped')
    }
  )

  it('takes two interrupts at once, as npm and a terminal give them, for one', async () => {
    const daemon = await startLocalDaemon(home.path)
    daemon.interrupt()
    daemon.interrupt()
    expect(await daemon.exited).toBe(0)
  })

  it('keeps its state to its owner', async () => {
    await using _daemon = await startLocalDaemon(home.path)
    expect(statSync(home.file('state')).mode & 0o777).toBe(0o700)
    expect(statSync(home.file('state/keyring')).mode & 0o777).toBe(0o600)
    expect(statSync(home.file('parley.sock')).mode & 0o777).toBe(0o600)
  })

  it('keeps its identity, and the free port that it was given, from start to start', async () => {
    const first = await startLocalDaemon(home.path)
    const before = await statusOf(first)
    first.terminate()
    await first.exited
    await using second = await startLocalDaemon(home.path)
    const after = await statusOf(second)
    expect(after).toMatchObject({ id: before.id, fingerprint: before.fingerprint, listen: before.listen })
    expect(before.listen[0]).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/[1-9]\d+$/)
  })

  it('takes another port, and keeps that, when another program has the one it kept', async () => {
    const first = await startLocalDaemon(home.path)
    const [kept = ''] = (await statusOf(first)).listen
    first.terminate()
    await first.exited
    const thief = createServer().listen(Number(kept.split('/').at(-1)), '127.0.0.1')
    await new Promise(resolve => thief.once('listening', resolve))
    try {
      const second = await startLocalDaemon(home.path)
      const [taken = ''] = (await statusOf(second)).listen
      expect(taken).not.toBe(kept)
      expect(second.log()).toContain('the port is taken')
      second.terminate()
      await second.exited
      await using third = await startLocalDaemon(home.path)
      expect((await statusOf(third)).listen).toEqual([taken])
    } finally {
      thief.close()
    }
  })

  it('does not give way where a port was asked for by its number', async () => {
    const thief = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => thief.once('listening', resolve))
    const { port } = thief.address() as { port: number }
    const listen = [`/ip4/127.0.0.1/tcp/${port}`]
    try {
      await expect(startLocalDaemon(home.path, { 'network.listen': listen })).rejects.toMatchObject({
        code: 'ADDRESS_IN_USE'
      })
    } finally {
      thief.close()
    }
    await using daemon = await startLocalDaemon(home.path, { 'network.listen': listen })
    expect((await statusOf(daemon)).listen).toEqual(listen)
  })

  it('refuses a home that another daemon has, and leaves that one alone', async () => {
    await using daemon = await startLocalDaemon(home.path)
    await expect(startLocalDaemon(home.path)).rejects.toMatchObject({ code: 'ALREADY_RUNNING' })
    expect((await daemon.parley(['status'])).code).toBe(0)
  })

  it('takes the ID that was asked for at its first start alone', async () => {
    const first = await startLocalDaemon(home.path, { 'node.id': 'ada@lovelace' })
    expect((await statusOf(first)).id).toBe('ada@lovelace')
    first.terminate()
    await first.exited
    await using second = await startLocalDaemon(home.path, { 'node.id': 'charles@babbage' })
    expect((await statusOf(second)).id).toBe('ada@lovelace')
  })

  it('makes no new identity for a home whose contacts know a lost one', async () => {
    using other = makeTempHome()
    const daemon = await startLocalDaemon(home.path)
    {
      await using bob = await startLocalDaemon(other.path)
      await introduce(daemon, bob)
    }
    daemon.terminate()
    await daemon.exited
    rmSync(home.file('state/keyring'))
    await expect(startLocalDaemon(home.path)).rejects.toMatchObject({ code: 'KEYRING_MISSING' })
    expect(existsSync(home.file('state/keyring'))).toBe(false)
  })

  it('stops when an app asks for it', async () => {
    const daemon = await startLocalDaemon(home.path)
    const { code, stdout } = await daemon.parley(['down', '--json', '--timeout', '2s'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ stopped: true })
    expect(await daemon.exited).toBe(0)
  })
})
