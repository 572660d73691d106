import { existsSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { runParley } from '../../../test/support/daemon-process.ts'
import { makeTempHome, type TempHome } from '../../../test/support/temp-home.ts'
import { until } from '../../../test/support/until.ts'
import { runCli } from '../../src/cli/main.ts'
import { fakeHost } from './fake-host.ts'

// Real processes on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

interface Info {
  readonly pid: number
  readonly nodes: readonly {
    readonly name: string
    readonly state: string
    readonly pid: number
    readonly home: string
  }[]
  readonly links: readonly {
    readonly a: string
    readonly b: string
    readonly state: string
    readonly delayMs: number
  }[]
}

let home: TempHome
let dir: string
beforeEach(() => {
  home = makeTempHome()
  dir = home.file('net')
})
afterEach(async () => {
  if (existsSync(dir)) await testnet('down')
  home.remove()
})

async function testnet(
  ...args: string[]
): Promise<{ code: number | null; result: Info; errorCode: string | undefined }> {
  const { code, stdout, stderr } = await runParley(['testnet', ...args, '--dir', dir, '--json'], {
    home: home.path,
    timeoutMs: 100_000
  })
  const errorCode = code === 0 ? undefined : JSON.parse(stderr).error.code
  return { code, result: code === 0 ? JSON.parse(stdout) : undefined, errorCode }
}
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('parley testnet', () => {
  it('starts daemons, cuts and heals their links, and leaves nothing behind', async () => {
    const { result: up } = await testnet('up', '-n', '2')
    expect(up.nodes.map(({ name, state }) => `${name} ${state}`)).toEqual(['n1 up', 'n2 up'])
    expect((await testnet('up', '-n', '2')).errorCode).toBe('TESTNET_EXISTS')

    expect((await testnet('cut', 'n1', 'n2', '--silent')).result.links).toMatchObject([{ state: 'silent' }])
    expect((await testnet('delay', 'n2', 'n1', '5ms')).result.links).toMatchObject([{ delayMs: 5 }])
    expect((await testnet('cut', 'n1', 'n3')).errorCode).toBe('NO_SUCH_NODE')
    await testnet('heal')
    expect((await testnet('ls')).result.links).toMatchObject([{ a: 'n1', b: 'n2', state: 'up', delayMs: 5 }])
    const [node] = up.nodes
    const waited = await runParley(['wait', '--for', 'peer=n2', '--home', node?.home ?? ''], { home: home.path })
    expect(waited.code).toBe(0)

    expect((await testnet('down')).code).toBe(0)
    expect([up.pid, ...up.nodes.map(({ pid }) => pid)].filter(isAlive)).toEqual([])
    expect(existsSync(dir)).toBe(false)
    expect((await testnet('ls')).errorCode).toBe('NO_SUCH_TESTNET')
  })

  it('that is interrupted before its process can answer says that it was stopped', async () => {
    const sleeper = home.file('sleeper')
    writeFileSync(sleeper, '#!/bin/sh\nexec sleep 60\n', { mode: 0o700 })
    const { host, err } = fakeHost({ args: ['testnet', 'up', '--dir', dir, '--json'] })
    const events = host as unknown as NodeJS.EventEmitter
    const result = runCli(Object.assign(host, { execPath: sleeper }))
    await until('it to hear signals', () => events.listenerCount('SIGINT') > 0)
    events.emit('SIGINT')
    expect(await result).toBe(8)
    expect(JSON.parse(err.text).error.code).toBe('STOPPED')
  })

  it('is cleared away by down when its process was killed', async () => {
    const { result: up } = await testnet('up', '-n', '2', '--topology', 'none')
    process.kill(up.pid, 'SIGKILL')
    await until('its process to be gone', () => !isAlive(up.pid))
    expect((await testnet('down')).code).toBe(0)
    await until('its daemons to be gone', () => !up.nodes.some(({ pid }) => isAlive(pid)))
    expect(existsSync(dir)).toBe(false)
  })
})
