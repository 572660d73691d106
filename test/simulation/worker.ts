// Runs seeds BASE/FROM to BASE/(TO - 1) and prints one JSON object a line for each.
//
//   node test/simulation/worker.ts BASE FROM TO
import { simulate } from './simulation.ts'

const [base = '', from = '0', to = '0'] = process.argv.slice(2)
for (let number = Number(from); number < Number(to); number++) {
  process.stdout.write(`${JSON.stringify(await simulate(`${base}/${number}`))}\n`)
}
