import type { Command } from 'commander'
import { addExamples, type CommandContext, optionsOf } from './context.ts'

export function registerConfig(program: Command, cli: CommandContext): void {
  const command = program.command('config').description('see and check the settings').helpCommand(false)
  addExamples(command, ['parley config check', 'parley config show --origin'])
  registerShow(command, cli)
  registerCheck(command, cli)
}

function registerShow(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('show')
    .description('print every setting that is in force')
    .option('--origin', 'and where each comes from')
    .option('--config <file>', 'the configuration file')
    .action(async (_own, command: Command) => {
      const options = optionsOf<{ origin?: true; config?: string }>(command)
      const { describeOrigin, loadSettings, SETTINGS } = await cli.offline()
      const loaded = loadSettings({
        host: cli.host,
        home: options.home,
        configFile: options.config,
        flags: socketFlag(options)
      })
      const rows = SETTINGS.map(setting => {
        const [section, name] = setting.path
        const members = loaded.config[section as keyof typeof loaded.config] as Readonly<Record<string, unknown>>
        const given = members[name]
        const value = setting.key === 'socket.path' ? loaded.socket : given
        const origin = loaded.origins.get(setting.key)
        return { setting, value, origin: origin === undefined ? 'default' : describeOrigin(origin) }
      })
      if (options.json) {
        const settings = rows.map(({ setting: { key, description, unit, variable }, value, origin }) => ({
          key,
          value: value ?? null,
          origin,
          unit: unit ?? null,
          variable,
          needsRestart: true,
          description
        }))
        return cli.out.writeJson({
          file: loaded.file,
          socket: loaded.socket,
          stateDir: loaded.paths.stateDir,
          settings
        })
      }
      for (const { setting, value, origin } of rows) {
        const line = value === undefined ? `# ${setting.key} is not set` : `${setting.key} = ${JSON.stringify(value)}`
        await cli.out.write(options.origin ? `${line}  # ${origin}\n` : `${line}\n`)
      }
      await cli.say(
        `file: ${loaded.file ?? 'none'}; state: ${loaded.paths.stateDir}; changes take effect at the next start`
      )
    })
  addExamples(command, ['parley config show', 'parley config show --origin', 'parley config show --home ./bob --json'])
}

function registerCheck(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('check')
    .description('tell whether the configuration is right; the daemon need not run')
    .option('--config <file>', 'the configuration file')
    .action(async (_own, command: Command) => {
      const options = optionsOf<{ config?: string }>(command)
      const { loadSettings } = await cli.offline()
      const loaded = loadSettings({
        host: cli.host,
        home: options.home,
        configFile: options.config,
        flags: socketFlag(options)
      })
      const { file, ignoredVariables } = loaded
      if (options.json) return cli.out.writeJson({ ok: true, file, ignoredVariables })
      await cli.out.write(
        file === null ? 'right: no file, all settings are defaults or variables\n' : `right: ${file}\n`
      )
      for (const variable of ignoredVariables) await cli.say(`${variable} means nothing to this version: ignored`)
    })
  addExamples(command, ['parley config check', 'parley config check --config ./config.toml'])
}

function socketFlag({ socket }: { socket?: string }): Record<string, string> {
  return socket === undefined ? {} : { 'socket.path': socket }
}
