import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
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

/** Lends a copied checkout the installed packages of this one; its workspaces are its own. */
export function lendModules(checkoutPath: string): void {
  const from = join(repositoryPath, 'node_modules')
  const to = join(checkoutPath, 'node_modules')
  mkdirSync(join(to, '@parley'), { recursive: true })
  for (const name of readdirSync(from)) {
    if (name !== '@parley' && name !== '.cache') symlinkSync(join(from, name), join(to, name))
  }
  for (const name of PACKAGES) {
    symlinkSync(join(checkoutPath, name), join(to, '@parley', name))
    const nested = join(repositoryPath, name, 'node_modules')
    if (existsSync(nested)) symlinkSync(nested, join(checkoutPath, name, 'node_modules'))
  }
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
