import { decryptSeal, generateSymmetricKey } from '@parley/protocol'
import { expect, test } from 'vitest'
import { systemRandomBytes } from '../../src/random.ts'
import { VaultThread } from '../../src/vault/thread.ts'

const context = new Uint8Array(0)

function sealing(content: Uint8Array) {
  const key = generateSymmetricKey(systemRandomBytes)
  return { copy: key.slice(), task: { operation: 'seal', key, context, content } as const }
}

test('does tasks in a thread, one after the other; contents move there, and keys are wiped here', async () => {
  const thread = new VaultThread()
  const tasks = [sealing(new Uint8Array(2_000_000).fill(1)), sealing(new Uint8Array(10).fill(2))]
  const cells = await Promise.all(tasks.map(({ task }) => thread.perform(task)))
  for (const [i, { copy, task }] of tasks.entries()) {
    expect(task.content.length).toBe(0)
    expect(task.key.every(byte => byte === 0)).toBe(true)
    const opened = decryptSeal(copy, cells[i] ?? context)
    expect(opened.every(byte => byte === i + 1)).toBe(true)
  }
  await thread.stop()
})

test('tells why it refuses, and does the next one', async () => {
  const thread = new VaultThread()
  const { copy, task } = sealing(Uint8Array.of(1, 2, 3))
  const cell = await thread.perform(task)
  const wrong = {
    operation: 'open',
    key: generateSymmetricKey(systemRandomBytes),
    context,
    content: cell.slice()
  } as const
  await expect(thread.perform(wrong)).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED' })
  const right = { operation: 'open', key: copy, context, content: cell } as const
  expect(await thread.perform(right)).toEqual(Uint8Array.of(1, 2, 3))
  await thread.stop()
})

test('a thread that ends without an answer fails its task and no other', async () => {
  const thread = new VaultThread(new URL('data:text/javascript,process.exit(1)'))
  await expect(thread.perform(sealing(Uint8Array.of(1)).task)).rejects.toThrow('ended')
  await thread.stop()
  await expect(thread.perform(sealing(Uint8Array.of(1)).task)).rejects.toThrow('stopped')
})
