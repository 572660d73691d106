import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const examples = [...readme.matchAll(/^### ([^\n]+)\n.*?```js\n(.*?)```$/gms)].map(([, title = '', program = '']) => ({
  title,
  program
}))

/** Runs a program against the sources of this package, which it imports by name. */
function runProgram(program: string): string {
  const args = ['--conditions=parley-source', '--input-type=module', '--eval', program]
  const cwd = fileURLToPath(new URL('..', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8', timeout: 20_000 })
  return status === 0 ? stdout : `ended with ${status}: ${stderr}`
}

describe('the examples of the README', () => {
  test('are five', () => {
    expect(examples.length).toBe(5)
    expect(examples.length).toBe(readme.match(/^```js$/gm)?.length)
  })

  test.each(examples)('$title: prints what it says', ({ program }) => {
    const printed = [...program.matchAll(/^\/\/ prints: (.*)$/gm)].map(([, line]) => `${line}\n`)
    expect(printed.length).toBeGreaterThan(0)
    expect(runProgram(program)).toBe(printed.join(''))
  })
})
