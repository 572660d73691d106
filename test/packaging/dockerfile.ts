/** One instruction of a Dockerfile, its continuation lines joined. */
export interface Instruction {
  readonly name: string
  readonly rest: string
  readonly line: number
}

/** `HEALTHCHECK`, `ENTRYPOINT` and the like in their JSON form. */
export type Argv = readonly string[]

/** Splits a Dockerfile into its instructions. Comments and empty lines go; nothing is checked. */
export function parseDockerfile(text: string): readonly Instruction[] {
  const instructions: Instruction[] = []
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const line = i + 1
    let whole = lines[i] ?? ''
    if (/^\s*(#|$)/.test(whole)) continue
    while (whole.endsWith('\\')) whole = whole.slice(0, -1) + (lines[++i] ?? '')
    const [, name = '', rest = ''] = /^\s*(\S+)\s*(.*)$/s.exec(whole) ?? []
    instructions.push({ name: name.toUpperCase(), rest: rest.trim(), line })
  }
  return instructions
}

/** Splits `--flag=value` words off the front of an instruction's arguments. */
export function splitFlags(rest: string): { flags: Readonly<Record<string, string>>; words: readonly string[] } {
  const flags: Record<string, string> = {}
  const words = rest.split(/\s+/)
  while (words[0]?.startsWith('--')) {
    const [name = '', value = ''] = (words.shift() ?? '').slice(2).split('=')
    flags[name] = value
  }
  return { flags, words }
}

/** Reads the JSON form of a command, which starts no shell: the only form taken, because a shell swallows signals. */
export function parseArgv(instruction: Instruction): Argv {
  const json = instruction.rest.slice(instruction.rest.indexOf('['))
  const argv: unknown = JSON.parse(json)
  if (!Array.isArray(argv) || !argv.every(word => typeof word === 'string')) {
    throw new Error(`line ${instruction.line}: ${instruction.name} must be a list of texts`)
  }
  return argv
}

/**
 * Tells which paths of the build context reach the builder, by the rules of a .dockerignore: the last pattern that matches a
 * path or one of its parents wins. Understands `*`, `**` and `!`.
 */
export function contextFilter(text: string): (path: string) => boolean {
  const rules = text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => ({ admits: line.startsWith('!'), pattern: toPattern(line.replace(/^!/, '')) }))
  return path => {
    const parts = path.split('/')
    const prefixes = parts.map((_, i) => parts.slice(0, i + 1).join('/'))
    return rules.findLast(rule => prefixes.some(prefix => rule.pattern.test(prefix)))?.admits ?? true
  }
}

function toPattern(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\?]/g, '\\$&')
    .replace(/\*\*\/|\*/g, star => (star === '*' ? '[^/]*' : '(?:.*/)?'))
  return new RegExp(`^${source}$`)
}
