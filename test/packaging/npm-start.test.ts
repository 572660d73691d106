import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeTempHome } from '../support/temp-home.ts'
import { copyCheckout, copyModules } from './checkout.ts'
import { startAndInterrupt } from './npm-start.ts'

describe('npm start in a checkout where nothing is built', () => {
  const checkout = makeTempHome()
  const home = makeTempHome()

  beforeAll(() => {
    copyCheckout(checkout.path)
    copyModules(checkout.path)
  })

  afterAll(() => {
    checkout.remove()
    home.remove()
  })

  test('compiles, brings up a daemon that says who it is and what to type next, and ends with 0 on Ctrl-C', async () => {
    const started = await startAndInterrupt(checkout.path, home.path, 60_000)
    expect(started.output).toMatch(/^id\s+\S+@\S+$/m)
    expect(started.output).toMatch(/^card\s+parley:card:\S+$/m)
    expect(started.output).toMatch(/^socket\s+\S+\.sock$/m)
    expect(started.output).toContain('parley peer add CARD')
    expect(started).toMatchObject({ exitCode: 0, signal: null })
  })
})
