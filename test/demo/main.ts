// Plays what README.md types with real daemons and prints what is typed and what comes back:
//
//   npm run demo
import { readSteps } from './conversation.ts'
import { Player } from './player.ts'

const interrupted = Promise.withResolvers<never>()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => interrupted.reject(new Error(`interrupted by ${signal}`)))

async function play(player: Player): Promise<void> {
  for (const step of readSteps()) {
    console.log(`\n# ${step.title}\n`)
    const lacking = await player.lacks(step)
    if (lacking !== undefined) {
      console.log(`(left out: this host has no ${lacking})`)
      continue
    }
    for (const command of step.commands) {
      console.log(`$ ${command}`)
      process.stdout.write(await player.play(command))
    }
  }
}

try {
  await using player = new Player(process.env)
  await Promise.race([play(player), interrupted.promise])
} catch (error) {
  console.error(`demo: ${(error as Error).message}`)
  process.exitCode = 2
}
// A command that was interrupted may still be waited for.
process.exit()
