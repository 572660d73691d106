import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { parleyBin, parleydBin, runParley, StartedProcess, startDaemon } from '../../../test/support/daemon-process.ts'
import { makeTempHome, type TempHome } from '../../../test/support/temp-home.ts'
import { until } from '../../../test/support/until.ts'

// Each test starts several processes, which on a busy machine take a second each.
vi.setConfig({ testTimeout: 60_000 })

// These run the build, as users do; everything else about commands is tested on the source, in one process.

const binDir = fileURLToPath(new URL('../../bin', import.meta.url))
const oldNode = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.19.0'}})`
const listen = ['--listen', '/ip4/127.0.0.1/tcp/0']

let home: TempHome
beforeEach(() => {
  home = makeTempHome()
})
afterEach(() => home.remove())

const isGone = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}

describe('the launcher', () => {
  it('names what is missing on a Node that is too old, with no other one beside', () => {
    cpSync(binDir, home.file('bin'), { recursive: true })
    const { status, stderr } = spawnSync(process.execPath, ['--import', oldNode, home.file('bin/parley.js')], {
      encoding: 'utf8'
    })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^parley: Node 22\.18 or newer is needed, this is 20\.19\.0\n {2}next: /)
  })

  it('goes on under the pinned Node where that is beside it', () => {
    const args = ['--import', oldNode, parleyBin, 'config', 'check', '--json']
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { PARLEY_HOME: home.path } })
    expect(status).toBe(0)
    expect(JSON.parse(stdout).ok).toBe(true)
  })

  it('says what to do where nothing is built', () => {
    cpSync(binDir, home.file('bin'), { recursive: true })
    const { status, stderr } = spawnSync(process.execPath, [home.file('bin/parleyd.js')], { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toContain('npm run build')
  })
})

describe('a detached daemon', () => {
  it('outlives its command, says where it logs, and is gone with its socket after down', async () => {
    const up = await runParley(['up', '--detach', '--json', ...listen], { home: home.path })
    expect(up.code).toBe(0)
    const { pid, socket } = JSON.parse(up.stdout) as { pid: number; socket: string }
    expect(isGone(pid)).toBe(false)
    expect(readFileSync(home.file('state/parleyd.log'), 'utf8')).toContain('ready')

    const again = await runParley(['up', '--detach', '--json', ...listen], { home: home.path })
    expect(again.code).toBe(1)
    expect(JSON.parse(again.stderr).error.code).toBe('ALREADY_RUNNING')

    const down = await runParley(['down'], { home: home.path })
    expect(down.code).toBe(0)
    expect(isGone(pid)).toBe(true)
    expect(existsSync(socket)).toBe(false)
    expect((await runParley(['status'], { home: home.path })).code).toBe(3)
  })

  it('logs to the file that was named, as seen from where the command was given', async () => {
    const up = await runParley(['up', '--detach', '--log-file', 'here.log', ...listen], { home: home.path })
    expect(up.code).toBe(0)
    expect(up.stdout).toContain(home.file('here.log'))
    expect(readFileSync(home.file('here.log'), 'utf8')).toContain('ready')
    expect((await runParley(['down'], { home: home.path })).code).toBe(0)
  })

  it('is stopped when its command is interrupted before it is ready', async () => {
    const command = new StartedProcess(parleyBin, ['up', '--detach', '--home', home.path, ...listen], {
      home: home.path
    })
    await until('the daemon to be started', () => existsSync(home.file('state/parleyd.log')))
    command.signal('SIGINT')
    expect(await command.exited).toEqual({ code: 8, signal: null })
    const { code } = await runParley(['up', '--detach', ...listen], { home: home.path })
    expect(code).toBe(0)
    expect((await runParley(['down'], { home: home.path })).code).toBe(0)
  })

  it('that cannot start is no success', async () => {
    const { code, stderr } = await runParley(['up', '--detach', '--listen', '/ip4/192.0.2.1/tcp/7390'], {
      home: home.path
    })
    expect(code).toBe(9)
    expect(stderr).toContain('192.0.2.1')
  })
})

describe('a daemon in the foreground', () => {
  it.each([
    ['parley up', parleyBin, ['up']],
    ['parleyd', parleydBin, []]
  ])('started by %s ends with 0 at Ctrl-C', async (_, bin, args) => {
    const child = spawn(process.execPath, [bin, ...args, '--home', home.path, ...listen], { stdio: 'ignore' })
    await runParley(['wait', '--for', 'ready'], { home: home.path })
    child.kill('SIGINT')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(existsSync(home.file('parley.sock'))).toBe(false)
  })

  it('comes back after kill -9, over its own stale socket', async () => {
    const first = await startDaemon({ home: home.path })
    await first.kill()
    expect(existsSync(home.file('parley.sock'))).toBe(true)
    await using second = await startDaemon({ home: home.path })
    expect((await second.parley(['status'])).code).toBe(0)
  })
})

describe('a command in a pipe', () => {
  it('ends quietly when its reader has seen enough', async () => {
    await using daemon = await startDaemon({ home: home.path })
    const script = `"$0" "$1" peer ls --help | true; echo "\${PIPESTATUS[0]}"`
    const env = { PATH: process.env['PATH'] ?? '', PARLEY_HOME: daemon.home }
    const printed = execFileSync('bash', ['-c', script, process.execPath, parleyBin], { encoding: 'utf8', env })
    expect(printed.trim()).toBe('0')
  })

  it('is told of an end of listening by a signal with exit status 0', async () => {
    await using daemon = await startDaemon({ home: home.path })
    const child = spawn(process.execPath, [parleyBin, 'listen', '--home', daemon.home], {
      stdio: ['ignore', 'ignore', 'pipe']
    })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', text => {
      said += text
    })
    await until('it to listen', () => said.includes('listening'))
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })
})

it('the example unit starts programs that there are', () => {
  const unit = readFileSync(join(binDir, '../../config/examples/parleyd.service'), 'utf8')
  const programs = [...unit.matchAll(/^Exec\w+=\/usr\/local\/bin\/(\S+)/gm)].map(found => found[1])
  expect(programs).toEqual(['parleyd', 'parley'])
  for (const program of programs) expect(existsSync(join(binDir, `${program}.js`))).toBe(true)
})
