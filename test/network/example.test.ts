import { join } from 'node:path'
import { expect, it } from 'vitest'
import { StartedProcess } from '../support/daemon-process.ts'
import { repositoryPath } from '../support/machine.ts'
import { makeTempHome } from '../support/temp-home.ts'

it('the example of a test that cuts a link passes, run as a user runs it', async () => {
  using temp = makeTempHome()
  const vitest = join(repositoryPath, 'node_modules/vitest/vitest.mjs')
  const run = new StartedProcess(
    vitest,
    ['run', '--no-cache', '--no-fsModuleCache', '--root', join(repositoryPath, 'daemon/examples')],
    {
      home: temp.path
    }
  )
  const { code } = await run.exited
  expect({ code, output: code === 0 ? '' : run.stdout + run.stderr }).toEqual({ code: 0, output: '' })
  expect(run.stdout).toContain('1 passed')
})
