// Checks the Node that runs it, then starts the compiled program. Plain JavaScript for any Node from 14 on, so that an old
// one gets a sentence and no syntax error.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'

const NODE_MIN = [22, 18]
const EXIT_USAGE = 1
const EXIT_INTERNAL = 2

/**
 * Runs an exported function of `dist/cli/main.js` with the process, and ends the process with the exit code that it returns.
 *
 * @param {'parley' | 'parleyd'} name - the program
 */
export async function launch(name) {
  if (isOld(process.versions.node)) {
    const pinned = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
    if (existsSync(pinned) && process.env._PARLEY_LAUNCHED === undefined) return runUnder(pinned)
    fail(
      name,
      `Node ${NODE_MIN.join('.')} or newer is needed, this is ${process.versions.node}`,
      'install a newer Node.'
    )
  }
  const program = new URL('../dist/cli/main.js', import.meta.url)
  if (!existsSync(program)) fail(name, 'it is not built yet', 'run `npm run build` in the checkout.')
  // Messages and files pass through short-lived buffers outside the heap, which only collections of the young space free: while that stays small they
  // are many and cheap, and the process takes a third less memory.
  setFlagsFromString('--semi-space-growth-factor=1')
  const cli = await import(program.href)
  process.exit(await (name === 'parleyd' ? cli.runDaemonProgram(process) : cli.runCli(process)))
}

function isOld(version) {
  const [major, minor] = version.split('.').map(Number)
  return major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])
}

/** Goes on under another Node, passing signals on and its end back. */
function runUnder(node) {
  const env = { ...process.env, _PARLEY_LAUNCHED: '1' }
  const child = spawn(node, process.argv.slice(1), { env, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', error => {
    process.stderr.write(`parley: ${error.message}\n`)
    process.exit(EXIT_INTERNAL)
  })
  child.on('exit', (code, signal) => process.exit(code === null ? 128 + constants.signals[signal] : code))
}

function fail(name, message, next) {
  process.stderr.write(`${name}: ${message}\n  next: ${next}\n`)
  process.exit(EXIT_USAGE)
}
