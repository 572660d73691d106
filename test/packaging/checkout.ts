import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryPath } from '../support/machine.ts'

/** The packages, in the order in which each needs those before it. */
export const PACKAGES = ['protocol', 'config', 'client-sdk', 'daemon'] as const

/** Copies what a fresh checkout of this tree would hold, as the files are now: tracked ones and new ones, nothing built. */
export function copyCheckout(to: string): void {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  run(
    'sh',
    ['-c', `git ${list.join(' ')} | tar --null --ignore-failed-read -T - -cf - | tar -xf - -C "$0"`, to],
    repositoryPath
  )
}

/**
 * Gives a copied checkout a copy of the packages that are installed here, and says that they are what its lockfile asks for. A
 * copy and no links: an `npm ci` in there would delete through links.
 */
export function copyModules(checkoutPath: string): void {
  for (const folder of ['.', ...PACKAGES]) {
    const from = join(repositoryPath, folder, 'node_modules')
    const to = join(checkoutPath, folder, 'node_modules')
    if (existsSync(from)) cpSync(from, to, { recursive: true, verbatimSymlinks: true })
  }
  const lock = createHash('sha256').update(readFileSync(join(checkoutPath, 'package-lock.json')))
  writeFileSync(join(checkoutPath, 'node_modules/.parley-lock-hash'), lock.digest('hex'))
}

/** Compiles the packages of a copied checkout, from nothing. */
export function compile(checkoutPath: string): void {
  run(process.execPath, [join(checkoutPath, 'node_modules/typescript/bin/tsc'), '-b', 'daemon'], checkoutPath)
}

/**
 * Runs a command to its end and returns its standard output. What an `npm` above it put into the environment is left out: it
 * names the folder that this test must not touch.
 *
 * @throws {Error} with all of its output, when it ends with another code than 0
 */
export function run(command: string, args: readonly string[], cwd: string): string {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_|^(NODE_ENV|INIT_CWD|VITEST.*)$/.test(name))
  )
  const done = spawnSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  if (done.status === 0) return done.stdout
  throw new Error(`${command} ${args.join(' ')}: ${done.error?.message ?? done.stdout + done.stderr}`)
}
