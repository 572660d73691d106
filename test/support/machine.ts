import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository. */
export const repositoryPath = fileURLToPath(new URL('../..', import.meta.url))

/** What numbers were measured on, and with what. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly os: string
  readonly node: string
  readonly openssl: string
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    os: `${type()} ${release()}`,
    node: process.version,
    openssl: process.versions.openssl
  }
}

/** The commit that is checked out, with `+` where tracked files differ from it; `unknown` outside a repository. */
export function currentCommit(): string {
  const git = (...args: string[]) => spawnSync('git', args, { cwd: repositoryPath, encoding: 'utf8' })
  const head = git('rev-parse', 'HEAD')
  if (head.status !== 0) return 'unknown'
  const clean = git('diff', '--quiet', 'HEAD').status === 0
  return head.stdout.trim() + (clean ? '' : '+')
}

/** The installed version of a package, as its own package.json has it. */
export function packageVersion(name: string): string {
  const file = join(repositoryPath, 'node_modules', name, 'package.json')
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
