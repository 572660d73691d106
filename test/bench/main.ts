// npm run bench -- [SUITE ...] [--rounds N] [--ms N] [--json] [--check]
//
// Measures and compares. --json prints one object instead of tables; --check ends with 1 when a bar was missed or not measured.
import { parseArgs } from 'node:util'
import { currentCommit, describeMachine, packageVersion } from '../support/machine.ts'
import { openAppToApp } from './cases/app-to-app.ts'
import { openProtocol } from './cases/protocol.ts'
import { openSecureSession } from './cases/secure-session.ts'
import { openSessions } from './cases/sessions.ts'
import { measureSuite, type Suite, type SuiteResult } from './lib/bench.ts'
import { suiteTable } from './lib/table.ts'

const SUITES: Readonly<Record<string, () => Promise<Suite>>> = {
  session: openSecureSession,
  protocol: openProtocol,
  apps: openAppToApp,
  sessions: openSessions
}
const PACKAGES = ['libp2p', '@chainsafe/libp2p-noise', '@libp2p/yamux', 'level', 'ws', 'cborg', 'wasm-themis']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '300' },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false }
  }
})
const rounds = Number(values.rounds)
const ms = Number(values.ms)
const unknown = positionals.filter(name => !(name in SUITES))
if (unknown.length > 0 || !(rounds >= 1) || !(ms > 0)) {
  process.stderr.write(
    `npm run bench -- [${Object.keys(SUITES).join(' | ')}] [--rounds N] [--ms N] [--json] [--check]\n`
  )
  process.exit(1)
}

const about = {
  machine: describeMachine(),
  commit: currentCommit(),
  versions: Object.fromEntries(PACKAGES.map(name => [name, packageVersion(name)]))
}
if (!values.json) {
  const { cpu, cores, os, node } = about.machine
  const versions = Object.entries(about.versions).map(([name, version]) => `${name} ${version}`)
  process.stdout.write(
    `${cpu}, ${cores} cores, ${os}, Node ${node}\n${versions.join(', ')}\ncommit ${about.commit}\n\n`
  )
}

const log = (line: string): void => {
  process.stderr.write(`${line}\n`)
}
const results: SuiteResult[] = []
for (const name of positionals.length > 0 ? positionals : Object.keys(SUITES)) {
  const suite = await SUITES[name]?.()
  if (suite === undefined) continue
  try {
    const result = await measureSuite(suite, { rounds, ms, log })
    results.push(result)
    if (!values.json) process.stdout.write(`${suiteTable(result)}\n`)
  } finally {
    await suite.close()
  }
}
if (values.json) process.stdout.write(`${JSON.stringify({ ...about, rounds, ms, suites: results })}\n`)

const missed = results.flatMap(result => result.ratios).filter(ratio => ratio.passed === false)
for (const { what, value, bar } of missed) log(`missed: ${what}: ${value.toPrecision(3)} where ${bar} is the bar`)
if (values.check && missed.length > 0) process.exitCode = 1
