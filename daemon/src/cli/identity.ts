import { resolve } from 'node:path'
import { ParleyError } from '@parley/client-sdk'
import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { addExamples, type CommandContext, type GlobalOptions, optionsOf } from './context.ts'
import { registerRotate } from './identity-rotate.ts'
import { newPassphrase, passphraseFileFlag, promptPassphrase } from './passphrase.ts'
import { oneLine, table } from './text.ts'

interface IdentityOptions extends GlobalOptions {
  readonly config?: string
  readonly passphraseFile?: string
  readonly newPassphraseFile?: string
  readonly backupPassphraseFile?: string
  readonly remove?: true
}

/** What is shown of an identity, by a daemon or from its home. */
type Shown = Readonly<Record<string, string | number>>

const KEYRING_PASSPHRASE = 'passphrase of the keyring'
const BACKUP_PASSPHRASE = 'passphrase of the backup'

export function registerIdentity(program: Command, cli: CommandContext): void {
  const command = program.command('identity').description('the keys that this home is known by').helpCommand(false)
  addExamples(command, ['parley identity show', 'parley identity export alice.backup'])
  registerShow(command, cli)
  registerPassphrase(command, cli)
  registerExportIdentity(command, cli)
  registerImportIdentity(command, cli)
  registerRotate(command, cli)
}

function registerShow(parent: Command, cli: CommandContext): void {
  const command = offlineOptions(parent.command('show'))
    .description('show who this home is; the daemon is asked, or the keyring where none runs')
    .action(async (_own, command: Command) => {
      const options = optionsOf<IdentityOptions>(command)
      const shown = await shownIdentity(cli, options)
      if (options.json) return cli.out.writeJson(shown)
      await cli.out.write(table(Object.entries(shown).map(([name, value]) => [name, oneLine(String(value))])))
    })
  addExamples(command, ['parley identity show', 'parley identity show --json'])
}

async function shownIdentity(cli: CommandContext, options: IdentityOptions): Promise<Shown> {
  try {
    await using parley = await cli.connect(options)
    return { ...(await parley.identity()) }
  } catch (error) {
    if (!(error instanceof ParleyError) || error.code !== 'DAEMON_UNREACHABLE') throw error
  }
  const { api, options: home } = await homeOf(cli, options)
  const { keyring, sealedBy } = await api.readIdentity(home)
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  return {
    id: keyring.id,
    fingerprint: hex(keyring.fingerprint),
    nodeId: keyring.nodeId,
    lineage: hex(keyring.lineage),
    rotations: keyring.chain.length,
    publicKey: Buffer.from(keyring.publicKeyBytes).toString('base64'),
    boxKey: Buffer.from(keyring.boxKey).toString('base64'),
    createdAt: keyring.createdAt,
    sealedBy
  }
}

function registerPassphrase(parent: Command, cli: CommandContext): void {
  const command = offlineOptions(parent.command('passphrase'))
    .description('set, change or remove the passphrase of the keyring; no daemon may run')
    .option('--new-passphrase-file <file>', 'file with the new passphrase (default: it is asked for)')
    .option('--remove', 'seal the keyring by a key file beside it instead, so that a service starts by itself')
    .action(async (_own, command: Command) => {
      const options = optionsOf<IdentityOptions>(command)
      const { remove, newPassphraseFile } = options
      if (remove && newPassphraseFile !== undefined) {
        throw new UsageError('--remove and --new-passphrase-file exclude each other.')
      }
      const { api, options: home } = await homeOf(cli, options)
      const { sealedBy } = await api.changePassphrase(home, async () =>
        remove ? undefined : newPassphrase(cli, 'new passphrase', newPassphraseFile, '--new-passphrase-file')
      )
      if (options.json) return cli.out.writeJson({ sealedBy })
      await cli.say(
        sealedBy === 'passphrase'
          ? 'the keyring is sealed by the new passphrase: the daemon needs it to start'
          : 'the keyring is sealed by keyring.key beside it'
      )
    })
  addExamples(command, [
    'parley identity passphrase',
    ['for a service', 'parley identity passphrase --new-passphrase-file /etc/parley/passphrase'],
    'parley identity passphrase --remove'
  ])
}

function registerExportIdentity(parent: Command, cli: CommandContext): void {
  const command = backupOptions(parent.command('export'))
    .description('write an encrypted backup of keys and contacts; no daemon may run')
    .argument('<file>', 'the backup, a new file')
    .action(async (file: string, _own, command: Command) => {
      const options = optionsOf<IdentityOptions>(command)
      const { api, options: home } = await homeOf(cli, options)
      const { keyring, contacts } = await api.exportIdentity(home, resolve(file), () =>
        newPassphrase(cli, BACKUP_PASSPHRASE, options.backupPassphraseFile, '--backup-passphrase-file')
      )
      if (options.json) return cli.out.writeJson({ id: keyring.id, contacts, file: resolve(file) })
      await cli.say(`${oneLine(keyring.id)} and ${contacts} contacts are in ${file}; messages are not`)
    })
  addExamples(command, ['parley identity export alice.backup'])
}

function registerImportIdentity(parent: Command, cli: CommandContext): void {
  const command = backupOptions(parent.command('import'))
    .description('put the identity of a backup into an empty home; the home it came from must not run on')
    .argument('<file>', 'the backup')
    .action(async (file: string, _own, command: Command) => {
      const options = optionsOf<IdentityOptions>(command)
      const { api, options: home } = await homeOf(cli, options)
      const { keyring, contacts } = await api.importIdentity(home, resolve(file), () => backupPassphrase(cli, options))
      if (options.json) return cli.out.writeJson({ id: keyring.id, contacts })
      await cli.out.write(`${oneLine(keyring.id)}\n`)
      await cli.say(`with ${contacts} contacts; messages that waited where it came from are not here\nnext: parley up`)
    })
  addExamples(command, ['parley identity import alice.backup', 'parley identity import alice.backup --home ./alice'])
}

async function backupPassphrase(cli: CommandContext, { backupPassphraseFile }: IdentityOptions): Promise<Uint8Array> {
  if (backupPassphraseFile !== undefined) return (await cli.offline()).readPassphraseFile(resolve(backupPassphraseFile))
  const typed = await promptPassphrase(cli, BACKUP_PASSPHRASE)
  if (typed !== undefined) return typed
  throw new UsageError(`There is no ${BACKUP_PASSPHRASE}.`, 'Name a file with it: --backup-passphrase-file FILE.')
}

function offlineOptions(command: Command): Command {
  return command
    .option('--passphrase-file <file>', 'file with the passphrase of the keyring')
    .option('--config <file>', 'the configuration file')
}

function backupOptions(command: Command): Command {
  return offlineOptions(command).option(
    '--backup-passphrase-file <file>',
    'file with the passphrase of the backup, its own (default: it is asked for)'
  )
}

async function homeOf(cli: CommandContext, options: IdentityOptions) {
  const { homeIdentity, loadSettings, passphraseOf } = await cli.offline()
  const flags = passphraseFileFlag(options.passphraseFile)
  const loaded = loadSettings({ host: cli.host, home: options.home, configFile: options.config, flags })
  return homeIdentity(loaded, await passphraseOf(loaded, cli.host, () => promptPassphrase(cli, KEYRING_PASSPHRASE)))
}
