import { defineConfig } from 'vitest/config'
import { CountReporter } from './test/support/count-reporter.ts'

// Unit tests read the source of every package; the processes that end-to-end tests start run the build.
const conditions = ['parley-source', 'node', 'import', 'module', 'default']
const project = (name: string, include: string[], more: object = {}) => ({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: { name, include, ...more }
})

export default defineConfig({
  test: {
    reporters: ['default', new CountReporter()],
    // `npm run coverage`: the parts on whose every branch the rest relies.
    coverage: {
      include: ['daemon/src/actor/**', 'protocol/src/**'],
      reportsDirectory: 'coverage',
      thresholds: {
        'daemon/src/actor/**': { branches: 100 },
        'protocol/src/**/{step,messages}.ts': { branches: 100 }
      }
    },
    projects: [
      project('protocol', ['protocol/test/**/*.test.ts']),
      project('config', ['config/test/**/*.test.ts']),
      project('client-sdk', ['client-sdk/test/**/*.test.ts']),
      project('daemon', ['daemon/test/**/*.test.ts']),
      project('vectors', ['test/vectors/**/*.test.ts']),
      project('interop', ['test/interop/**/*.test.ts'], { testTimeout: 60_000 }),
      project('integration', ['test/{integration,network,faults,simulation}/**/*.test.ts'], {
        testTimeout: 60_000,
        hookTimeout: 60_000
      }),
      project('packaging', ['test/packaging/**/*.test.ts'], { testTimeout: 120_000, hookTimeout: 120_000 })
    ]
  }
})
