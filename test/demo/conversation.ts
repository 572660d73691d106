import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryPath } from '../support/machine.ts'

/** One step of the README: what to paste, and what that printed. */
export interface Step {
  readonly title: string
  readonly commands: readonly string[]
  /** Standard output and standard error, one below the other. Empty where nothing is printed. */
  readonly output: string
}

/** The sections that are played, with a heading of the third level for each step. */
const HEADINGS = ['A conversation on one host', 'Test networks']

/** A fenced block of a document. */
export interface Block {
  readonly language: string
  readonly text: string
}

export function readDocument(path: string): string {
  return readFileSync(join(repositoryPath, path), 'utf8')
}

/** The part of a document under a heading of the second level, without the heading. */
export function sectionOf(document: string, heading: string): string {
  const section = document.split(/^## /m).find(part => part.startsWith(`${heading}\n`))
  if (section === undefined) throw new Error(`no section is called ${heading}`)
  return section.slice(heading.length)
}

/** The fenced blocks of a piece of Markdown, in order. */
export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({ language, text }))
}

/** What the README types, in steps: a shell block and, where something is printed, a text block. */
export function readSteps(): Step[] {
  const readme = readDocument('README.md')
  const parts = HEADINGS.flatMap(heading => sectionOf(readme, heading).split(/^### /m).slice(1))
  return parts.flatMap(part => {
    const [shell, printed] = blocksOf(part)
    if (shell?.language !== 'sh') return []
    const output = printed?.language === 'text' ? printed.text : ''
    return [{ title: part.slice(0, part.indexOf('\n')), commands: commandsOf(shell.text), output }]
  })
}

/** The commands of a shell block; one that goes on in the next line ends in a backslash. */
function commandsOf(block: string): string[] {
  return block
    .replaceAll('\\\n', '\\\0')
    .split('\n')
    .filter(line => line !== '')
    .map(line => line.replaceAll('\0', '\n'))
}
