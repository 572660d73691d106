import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { repositoryPath } from '../support/machine.ts'

/** Programs of Debian that the Dockerfile's commands and npm use; `node` and `npm` come apart. */
const PROGRAMS = ['sh', 'env', 'install', 'ln', 'rm', 'mkdir', 'cat', 'ls', 'id']
const TOOLS = ['unshare', 'chroot', 'mount', 'ldd', 'cp']
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const CA_FILE = '/etc/ssl/certs/ca-certificates.crt'

/** System programs are not in everybody's PATH. */
const HOST_PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`
const hostEnv = { ...process.env, PATH: HOST_PATH }

/** What runs in a root, and as whom. */
export interface RootCommand {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly workdir: string
  /** Of the root's own /etc/passwd. */
  readonly user: string
}

/** Says why this machine cannot run a command in a root of its own; undefined where it can. */
export function whyNoEmptyRoot(): string | undefined {
  if (process.platform !== 'linux') return `namespaces are Linux's, and this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'only root may make a root folder of its own'
  const missing = TOOLS.filter(tool => spawnSync('sh', ['-c', `command -v ${tool}`], { env: hostEnv }).status !== 0)
  if (missing.length > 0) return `there is no ${missing.join(', ')}`
  const trial = spawnSync('unshare', ['--mount', '--pid', '--fork', 'true'], { env: hostEnv })
  return trial.status === 0 ? undefined : `unshare is refused: ${trial.stderr.toString().trim()}`
}

/** Fills an empty folder with what the image `node:24-slim` has and the Dockerfile uses: the pinned Node, npm, a shell. */
export function makeNodeRoot(root: string): void {
  for (const folder of ['usr/bin', 'usr/lib', 'usr/lib64', 'usr/local/bin', 'etc/ssl/certs', 'root', 'home/node']) {
    mkdirSync(join(root, folder), { recursive: true })
  }
  for (const folder of ['dev', 'proc', 'tmp', 'var/lib']) mkdirSync(join(root, folder), { recursive: true })
  for (const folder of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${folder}`, join(root, folder))
  for (const program of PROGRAMS) {
    const path = run('sh', ['-c', `command -v ${program}`]).trim()
    copyWithLibraries(root, path, join('/usr/bin', program))
  }
  copyWithLibraries(root, process.execPath, '/usr/local/bin/node')
  copyNpm(root)
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000:node:/home/node:/bin/sh\n')
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnode:x:1000:\n')
  for (const file of ['/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', CA_FILE]) {
    if (existsSync(file)) cpSync(realpathSync(file), join(root, file))
  }
}

function copyWithLibraries(root: string, from: string, to: string): void {
  cpSync(realpathSync(from), join(root, to))
  for (const [, library = ''] of run('ldd', [from]).matchAll(/(\/\S+) \(0x/g)) {
    const target = join(root, library)
    if (existsSync(target)) continue
    mkdirSync(dirname(target), { recursive: true })
    cpSync(realpathSync(library), target)
  }
}

function copyNpm(root: string): void {
  const outside = (process.env['PATH'] ?? '').split(':').filter(folder => !folder.startsWith(repositoryPath))
  const npm = outside.map(folder => join(folder, 'npm')).find(existsSync)
  if (npm === undefined) throw new Error('there is no npm outside of this repository')
  const from = dirname(dirname(realpathSync(npm)))
  cpSync(from, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true })
  for (const name of ['npm', 'npx']) {
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/local/bin', name))
  }
}

/**
 * Starts a command in a root, with process IDs and mounts of its own: it is process 1, as in a container. The host's npm cache
 * and certificates are lent to root alone. It is gone when this process is.
 */
export function startInRoot(root: string, command: RootCommand): ChildProcess {
  const { argv, env, workdir, user } = command
  const lent = user === 'root' ? npmSettings() : {}
  const words = Object.entries({ PATH, HOME: user === 'root' ? '/root' : `/home/${user}`, ...lent, ...env })
  const script = [
    'mount -t proc proc "$ROOT/proc"',
    'mount --bind /dev "$ROOT/dev"',
    ...(user === 'root' ? ['mkdir -p "$ROOT/root/.npm"', 'mount --bind "$CACHE" "$ROOT/root/.npm"'] : []),
    'exec chroot --userspec="$RUN_AS" "$ROOT" /usr/bin/env -i "$@"'
  ].join(' && ')
  const inside = ['/bin/sh', '-c', 'cd "$0" && exec "$@"', workdir, ...argv]
  const args = ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', script, 'sh']
  return spawn('unshare', [...args, ...words.map(([name, value]) => `${name}=${value}`), ...inside], {
    env: { PATH: HOST_PATH, ROOT: root, CACHE: npmCache(), RUN_AS: `${user}:${user}` },
    stdio: ['ignore', 'pipe', 'pipe']
  })
}

/** The host's process ID of the command that {@link startInRoot} started: for signals, which `unshare` does not pass on. */
export function innerPid(started: ChildProcess): number | undefined {
  const children = readFileSync(`/proc/${started.pid}/task/${started.pid}/children`, 'utf8').trim()
  return children === '' ? undefined : Number(children)
}

export interface RootResult {
  readonly code: number | null
  readonly output: string
}

/** Runs a command in a root to its end; what it printed on both streams comes back as text. */
export async function runInRoot(root: string, command: RootCommand): Promise<RootResult> {
  const started = startInRoot(root, command)
  let output = ''
  for (const stream of [started.stdout, started.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const done = Promise.withResolvers<number | null>()
  started.on('error', done.reject)
  started.on('close', done.resolve)
  return { code: await done.promise, output }
}

function npmCache(): string {
  const cache = run('npm', ['config', 'get', 'cache']).trim()
  mkdirSync(cache, { recursive: true })
  return cache
}

function npmSettings(): Record<string, string> {
  const trusted = existsSync(CA_FILE) ? { npm_config_cafile: CA_FILE, NODE_EXTRA_CA_CERTS: CA_FILE } : {}
  return { npm_config_prefer_offline: 'true', npm_config_update_notifier: 'false', ...trusted }
}

function run(command: string, args: readonly string[]): string {
  const done = spawnSync(command, args, { env: hostEnv, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.error?.message ?? done.stderr}`)
  return done.stdout
}
