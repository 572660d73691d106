import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CommandResult, parleyBin, runParley, StartedProcess, startDaemon } from '../support/daemon-process.ts'
import { makeTempHome, type TempHome } from '../support/temp-home.ts'
import { until } from '../support/until.ts'
import { processesOf } from './traces.ts'

interface Info {
  readonly pid: number
  readonly nodes: readonly {
    name: string
    home: string
    pid: number | null
    state: string
    sessions: number
    ended: string | null
  }[]
  readonly links: readonly { a: string; b: string; state: string; delayMs: number }[]
}

describe('parley testnet', () => {
  let temp: TempHome
  let dir: string

  const testnet = (...args: string[]): Promise<CommandResult> =>
    runParley(['testnet', ...args, '--dir', dir, '--json'], { home: temp.path, timeoutMs: 60_000 })
  async function ask<T = Info>(...args: string[]): Promise<T> {
    const { stdout, stderr, code } = await testnet(...args)
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
    return JSON.parse(stdout) as T
  }
  async function refusal(...args: string[]): Promise<unknown> {
    const { stderr, code } = await testnet(...args)
    return { code: (JSON.parse(stderr) as { error: { code: string } }).error.code, exit: code }
  }
  const nodeOf = (info: Info, name: string) => info.nodes.find(node => node.name === name)
  const linkOf = (info: Pick<Info, 'links'>, a: string, b: string) =>
    info.links.find(link => link.a === a && link.b === b)

  describe('up -n 4', () => {
    beforeAll(async () => {
      temp = makeTempHome()
      dir = join(temp.path, 'net')
      const info = await ask('up', '-n', '4')
      expect(info.nodes.map(({ name, state, sessions }) => ({ name, state, sessions }))).toEqual(
        ['n1', 'n2', 'n3', 'n4'].map(name => ({ name, state: 'up', sessions: 3 }))
      )
    })
    afterAll(async () => {
      if (existsSync(dir)) await testnet('down')
      temp.remove()
    })

    it('refuses a second one in the same folder, and nodes that are not there', async () => {
      expect(await refusal('up')).toEqual({ code: 'TESTNET_EXISTS', exit: 1 })
      expect(await refusal('cut', 'n1', 'n9')).toEqual({ code: 'NO_SUCH_NODE', exit: 1 })
      expect((await ask('ls')).nodes).toHaveLength(4)
    })

    it('cuts, delays and heals links, and ls tells', async () => {
      expect(await ask('cut', 'n2', 'n1')).toMatchObject({ links: [{ a: 'n1', b: 'n2', state: 'cut' }] })
      expect(await ask('cut', 'n1', 'n3', '--silent')).toMatchObject({ links: [{ state: 'silent' }] })
      expect(await ask('delay', 'n3', 'n4', '50ms')).toMatchObject({ links: [{ state: 'up', delayMs: 50 }] })
      const info = await ask('ls')
      expect(info.links.map(({ state }) => state).sort()).toEqual(['cut', 'silent', 'up', 'up', 'up', 'up'])
      expect(await ask('delay', 'n3', 'n4', '0')).toMatchObject({ links: [{ delayMs: 0 }] })
      const healed = await ask<Pick<Info, 'links'>>('heal', 'n1', 'n3')
      expect(linkOf(healed, 'n1', 'n3')).toMatchObject({ state: 'up' })
      expect(linkOf(await ask('ls'), 'n1', 'n2')).toMatchObject({ state: 'cut' })
      expect((await ask<Pick<Info, 'links'>>('heal')).links.every(({ state }) => state === 'up')).toBe(true)
    })

    it('carries a message from one home to another', async () => {
      const { nodes } = await ask('ls')
      const home = (name: string): string => nodes.find(node => node.name === name)?.home ?? ''
      const listener = new StartedProcess(parleyBin, ['listen', '--json', '--count', '1'], {
        home: home('n2'),
        env: { PARLEY_HOME: home('n2') }
      })
      await listener.printed(/listening/)
      await until('the link to be back', async () => nodeOf(await ask('ls'), 'n1')?.sessions === 3)
      expect(await runParley(['send', 'n2', 'hello'], { home: home('n1') })).toMatchObject({ code: 0 })
      expect(await listener.exited).toMatchObject({ code: 0 })
      expect(JSON.parse(listener.stdout)).toMatchObject({ text: 'hello', fromName: 'n1' })
    })

    it('tells of a node that was killed, takes it back when it is started by hand, and ends it too', async () => {
      const node = nodeOf(await ask('ls'), 'n3')
      if (node?.pid == null) throw new Error('n3 runs')
      process.kill(node.pid, 'SIGKILL')
      const killed = await until('ls to tell', async () => {
        const found = nodeOf(await ask('ls'), 'n3')
        return found?.state === 'down' && found
      })
      expect(killed).toMatchObject({ pid: null, ended: 'SIGKILL' })
      await using daemon = await startDaemon({ home: node.home })
      await until('its sessions', async () => nodeOf(await ask('ls'), 'n3')?.sessions === 3, { timeoutMs: 5_000 })
      expect(nodeOf(await ask('ls'), 'n3')).toMatchObject({ state: 'up', pid: daemon.pid })

      expect(await ask('down')).toEqual({ stopped: true, dir })
      expect(await daemon.exited).toEqual({ code: 0, signal: null })
      expect(processesOf(dir)).toEqual([])
      expect(readdirSync(temp.path)).toEqual([])
    })
  })

  describe('without a network', () => {
    beforeAll(() => {
      temp = makeTempHome()
      dir = join(temp.path, 'net')
    })
    afterAll(() => temp.remove())

    it('says that there is none', async () => {
      for (const args of [['ls'], ['down'], ['heal'], ['cut', 'n1', 'n2']]) {
        expect(await refusal(...args)).toEqual({ code: 'NO_SUCH_TESTNET', exit: 1 })
      }
      expect(existsSync(dir)).toBe(false)
    })

    it('leaves a folder alone that holds something else', async () => {
      dir = temp.path
      const bystander = new StartedProcess(parleyBin, ['init', '--home', temp.file('mine')], { home: temp.path })
      expect(await bystander.exited).toMatchObject({ code: 0 })
      expect(await refusal('up')).toEqual({ code: 'USAGE', exit: 1 })
      expect(readdirSync(temp.path)).toEqual(['mine'])
      dir = join(temp.path, 'net')
    })

    it('leaves nothing behind when up is interrupted', async () => {
      const up = new StartedProcess(parleyBin, ['testnet', 'up', '-n', '3', '--dir', dir], { home: temp.path })
      await until('the start of a daemon', () => existsSync(join(dir, 'n1', 'state')))
      up.signal('SIGINT')
      expect((await up.exited).code).not.toBe(0)
      await until('the end of its processes', () => processesOf(dir).length === 0)
      expect(existsSync(dir)).toBe(false)
    })

    it('ends its daemons when its own process is killed, and down removes what is left', async () => {
      const { pid } = await ask('up', '-n', '2')
      process.kill(pid, 'SIGKILL')
      await until('the end of the daemons', () => processesOf(dir).length === 0)
      expect(existsSync(dir)).toBe(true)
      expect(await ask('down')).toEqual({ stopped: true, dir })
      expect(existsSync(dir)).toBe(false)
    })
  })
})
