import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ParleyError } from '@parley/client-sdk'
import type { SettingValue } from './options.ts'

/** The end of a log that goes into an error. */
const LOG_TAIL_BYTES = 2_048

export interface HomeOptions {
  readonly name: string
  /** What the card says. */
  readonly announce: string
  readonly settings: Readonly<Record<string, SettingValue>>
}

/** Makes the home of a node, with a configuration that also holds for a daemon that is started there by hand. @throws {ParleyError} `TESTNET_EXISTS` */
export async function makeHome(home: string, { name, announce, settings }: HomeOptions): Promise<void> {
  try {
    await mkdir(home, { mode: 0o700 })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new ParleyError('TESTNET_EXISTS', `${home} is there already.`, { cause })
  }
  const all = {
    'node.id': name,
    'node.profile': 'test',
    'network.listen': ['/ip4/127.0.0.1/tcp/0'],
    'network.announce': [announce],
    // Kept small: hundreds of homes may share a temporary folder that lies in memory.
    'limits.storeReserveBytes': 65_536,
    ...settings
  }
  await writeFile(join(home, 'config.toml'), toToml(all), { mode: 0o600 })
}

/** Where the daemon of a home logs. */
export function logFileOf(home: string): string {
  return join(home, 'parleyd.log')
}

/** The last that the daemon of a home logged. */
export function logTailOf(home: string): string {
  const file = logFileOf(home)
  const size = statSync(file).size
  const tail = Buffer.alloc(Math.min(size, LOG_TAIL_BYTES))
  const log = openSync(file, 'r')
  try {
    readSync(log, tail, 0, tail.byteLength, size - tail.byteLength)
  } finally {
    closeSync(log)
  }
  return tail.toString().trim()
}

/** Settings by key, section by section. JSON's texts, numbers, truths and lists of texts are TOML's too. */
function toToml(settings: Readonly<Record<string, SettingValue>>): string {
  const sections = new Map<string, string[]>()
  for (const [key, value] of Object.entries(settings)) {
    const [section = '', name = ''] = key.split('.')
    const lines = sections.get(section) ?? []
    lines.push(`${name} = ${JSON.stringify(value)}`)
    sections.set(section, lines)
  }
  return [...sections].map(([section, lines]) => `[${section}]\n${lines.join('\n')}\n`).join('\n')
}
