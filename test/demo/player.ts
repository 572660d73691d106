import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { runParley } from '../support/daemon-process.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { until } from '../support/until.ts'
import type { Step } from './conversation.ts'
import { Shell } from './shell.ts'

/** What not every host has; a step that names it is left out there. */
const OPTIONAL_PROGRAMS = ['curl', '/usr/bin/python3']

/** Plays the steps of the README with real daemons, in temporary homes. */
export class Player implements AsyncDisposable {
  readonly #folder = makeTempHome()
  readonly #shell: Shell

  /** @param env - of the shell; npm's own remarks and `TMPDIR` are set here */
  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#shell = new Shell({
      ...env,
      TMPDIR: this.#folder.path,
      npm_config_loglevel: 'error',
      npm_config_update_notifier: 'false'
    })
  }

  /** The program that a step needs and this host lacks. */
  async lacks(step: Step): Promise<string | undefined> {
    for (const program of OPTIONAL_PROGRAMS) {
      const isNamed = step.commands.some(command => command.includes(`${program} `))
      if (isNamed && !(await this.#shell.has(program))) return program
    }
    return undefined
  }

  /** Runs one command and returns what was printed. @throws {Error} when it fails */
  async play(command: string): Promise<string> {
    const { output, exitCode } = await this.#shell.run(command)
    if (exitCode !== 0) throw new Error(`exit ${exitCode} of: ${command}\n${output}`)
    return output
  }

  /** What the steps left in their homes' folder. */
  leftovers(): string[] {
    return readdirSync(this.#folder.path)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#shell.close()
    // Where the steps did not come to their end, daemons may be left.
    for (const name of this.leftovers()) {
      const home = join(this.#folder.path, name)
      if (existsSync(join(home, 'n1'))) await endTestnet(home)
      else if (existsSync(join(home, 'state'))) await endDaemon(home)
    }
    this.#folder.remove()
  }
}

async function endDaemon(home: string): Promise<void> {
  const { code } = await runParley(['wait', '--for', 'ready', '--timeout', '3s'], { home })
  if (code === 0) await runParley(['down'], { home })
}

/** Ends one that may still be starting. */
async function endTestnet(dir: string): Promise<void> {
  await until(`the end of the test network in ${dir}`, async () => {
    if (!existsSync(join(dir, 'n1'))) return true
    return (await runParley(['testnet', 'down', '--dir', dir], { home: dir })).code === 0
  })
}
