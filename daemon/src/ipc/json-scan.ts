/** A string with the colon behind it where it is a key; a bracket; a number. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[{}[\]]|-?\d[\d.eE+-]*/g
const INTEGER = /^(?:0|-?[1-9]\d{0,15})$/

/**
 * Refuses what `JSON.parse` lets pass: a key twice in one object, numbers that are not safe integers or are not written as integers,
 * lone surrogates, more than `depthMax` levels and more than `itemCountMax` strings, numbers, brackets. Says nothing about what `JSON.parse` refuses.
 *
 * @throws {SyntaxError} names the finding, never the content
 */
export function assertStrictJson(text: string, depthMax: number, itemCountMax: number): void {
  /** Keys of the open objects; undefined for an open array. */
  const open: (Set<string> | undefined)[] = []
  let itemCount = 0
  TOKEN.lastIndex = 0
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const [token, colon] = match
    if (++itemCount > itemCountMax) throw new SyntaxError('too many items')
    switch (token[0]) {
      case '{':
      case '[':
        if (open.length === depthMax) throw new SyntaxError('nested too deep')
        open.push(token === '{' ? new Set() : undefined)
        break
      case '}':
      case ']':
        open.pop()
        break
      case '"':
        if (colon !== undefined) addKey(open.at(-1), token.slice(0, -colon.length))
        else if (token.includes('\\u')) readString(token)
        break
      default:
        if (!INTEGER.test(token) || !Number.isSafeInteger(Number(token)))
          throw new SyntaxError('a number that is no safe integer')
    }
  }
}

function addKey(keys: Set<string> | undefined, token: string): void {
  const key = readString(token)
  if (keys?.has(key)) throw new SyntaxError('a key twice')
  keys?.add(key)
}

function readString(token: string): string {
  const text: string = JSON.parse(token)
  if (!text.isWellFormed()) throw new SyntaxError('a lone surrogate')
  return text
}
