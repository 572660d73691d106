// Makes a fresh checkout runnable, then runs a command of node_modules/.bin under the pinned Node:
//
//   node .ci/set-up.mjs [COMMAND [ARG ...]]
//
// It installs what package-lock.json pins (the Node runtime among it) when that changed, and
// compiles what changed in the packages. Plain JavaScript for any Node from 18 on, because it runs before the
// pinned Node is there.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = join(root, 'node_modules', '.bin')
const stamp = join(root, 'node_modules', '.parley-lock-hash')
const windows = process.platform === 'win32'
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` }

/** Runs one set-up step; what it prints goes to stderr, so that a command's stdout stays its own. */
function step(title, command, args) {
  process.stderr.write(`${title} …\n`)
  const done = spawnSync(command, args, { cwd: root, env, stdio: ['ignore', 2, 2], shell: windows })
  if (done.status === 0) return
  process.stderr.write(
    `${title} failed (${command} ${args.join(' ')}): ${done.error?.message ?? `exit ${done.status}`}\n`
  )
  process.exit(2)
}

const lockHash = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')
const installed = existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash
if (!installed) {
  step('installing the pinned packages', 'npm', ['ci', '--loglevel=error'])
  writeFileSync(stamp, lockHash)
}
if (!existsSync(join(bin, windows ? 'node.cmd' : 'node'))) {
  process.stderr.write(`no pinned Node for ${process.platform}-${process.arch}: continuing with ${process.version}\n`)
}
step('compiling', join(bin, 'tsc'), ['-b', 'daemon'])

const [command, ...args] = process.argv.slice(2)
if (command !== undefined) {
  const local = join(bin, command)
  const child = spawn(existsSync(local) ? local : command, args, { cwd: root, env, stdio: 'inherit', shell: windows })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', error => {
    process.stderr.write(`${command}: ${error.message}\n`)
    process.exit(2)
  })
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}
