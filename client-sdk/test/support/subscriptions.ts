import type { Message } from '../../src/message.ts'
import type { StandInDaemon } from './stand-in-daemon.ts'

/** Answers `messages.subscribe` with names that count up, so that a test can deliver to them. */
export function nameSubscriptions(daemon: StandInDaemon, next = 1): void {
  let count = 0
  daemon.answers['messages.subscribe'] = () => ({ subscription: `sub${++count}`, next })
}

/** The texts of the next messages. */
export async function takeTexts(messages: AsyncIterator<Message, undefined>, count: number): Promise<string[]> {
  const taken: string[] = []
  while (taken.length < count) {
    const { value } = await messages.next()
    taken.push(value?.text() ?? 'END')
  }
  return taken
}
