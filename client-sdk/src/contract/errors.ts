/** What an error code means: the cause in words, what to do next, and whether the same call may succeed later unchanged. */
export interface ErrorInfo {
  readonly cause: string
  readonly action: string
  readonly retryable: boolean
}

const again = (cause: string, action: string): ErrorInfo => ({ cause, action, retryable: true })
const final = (cause: string, action: string): ErrorInfo => ({ cause, action, retryable: false })

/**
 * Every code that crosses the socket, ends a command or is thrown by the SDK. Codes are stable within a major version; the words are not.
 */
export const ERRORS = {
  // the call
  INTERNAL: final(
    'The daemon failed in a way that it does not know.',
    'Look into its log; if it happens again, report it with the log.'
  ),
  PARSE_ERROR: final(
    'The request is not one well-formed message.',
    'Send one JSON-RPC 2.0 object, with no duplicate keys.'
  ),
  INVALID_REQUEST: final(
    'The request is not a JSON-RPC 2.0 call.',
    'Send "jsonrpc": "2.0", an "id" that is text or an integer, and a "method".'
  ),
  METHOD_NOT_FOUND: final('There is no such method.', "Check its name, and the daemon's version with `parley status`."),
  INVALID_PARAMS: final(
    'A parameter is missing, unknown or out of range.',
    'Correct the parameter that the message names.'
  ),
  HELLO_REQUIRED: final('A WebSocket must start with node.hello.', 'Call node.hello first.'),
  NOT_SUPPORTED: final('This version of the daemon cannot do that.', 'See what the message says.'),
  VERSION_MISMATCH: final(
    'The two sides have no version, or lack a required feature, in common.',
    'Bring both to the same release.'
  ),
  TOO_MANY_CALLS: again(
    'Too many calls, or too many bytes of calls, are unanswered on this connection.',
    'Wait for answers before calling again.'
  ),
  TOO_LARGE: final(
    'The message or request is over the size limit.',
    'Send at most 1 MiB in one message; split what is larger.'
  ),
  TIMED_OUT: again('The time given for the call is over.', 'Try again, or give it more time.'),
  NOT_READY: again('The daemon is starting.', 'Try again in a moment, or `parley wait --for ready`.'),
  SHUTTING_DOWN: again('The daemon is stopping.', 'Try again when it is up.'),
  STOPPED: again('What was asked has stopped.', 'Try again.'),
  MAILBOX_FULL: again('The part of the daemon that was asked has too much waiting.', 'Try again in a moment.'),
  FORBIDDEN: final(
    'The request came from where it must not come from.',
    'Send no Origin header, and Host parley or localhost.'
  ),

  // reaching the daemon
  DAEMON_UNREACHABLE: again(
    'No daemon answers on the socket.',
    'Start one with `parley up`, or name its socket with --socket or --home.'
  ),
  CLOSED: final('This client was closed.', 'Connect again.'),

  // contacts
  NO_SUCH_PEER: final(
    'No contact has that name, ID or contact ID.',
    'See `parley peer ls`; add one with `parley peer add CARD`.'
  ),
  AMBIGUOUS_PEER: final('More than one contact starts like that.', 'Use more of the name; the candidates are listed.'),
  CONTACT_EXISTS: final(
    'Another contact already has that key, node ID or ID.',
    'Remove that contact first if it is to be replaced.'
  ),
  SELF: final('The card is your own.', 'Ask the other side for its card: `parley card` there.'),
  CARD_INVALID: final(
    'The card is damaged, or its signatures do not hold.',
    'Ask for it again and paste the whole line.'
  ),
  CARD_CONFLICT: final(
    'Two different cards carry the same serial.',
    'Ask the peer which one is right, by another way.'
  ),
  CARD_OUTDATED: final('A newer card of this contact is already known.', 'Nothing needs to be done.'),
  NAME_TAKEN: final('Another contact has that name.', 'Choose another name.'),
  NAME_INVALID: final('Names are 1 to 64 bytes of printable text.', 'Choose another name.'),
  ADDRESS_INVALID: final('An address is not a TCP multiaddr.', 'Write it like /ip4/192.0.2.7/tcp/7390.'),
  TOO_MANY_CONTACTS: final('The limit of contacts is reached.', 'Remove contacts, or raise limits.contactCountMax.'),

  // pairing
  CODE_INVALID: final(
    'That is no code and no link of an invitation.',
    'Type the code as it was told, like 42-ozone-cactus, or paste the whole link.'
  ),
  NO_SUCH_INVITATION: final(
    'No such invitation is open, or another run is under way on it.',
    'Ask the other side to run `parley pair` again, and use what it prints.'
  ),
  PAIRING_WRONG_CODE: final(
    'The two sides have different codes.',
    'Check the words with the other side; an invitation takes three wrong tries.'
  ),
  PAIRING_EXHAUSTED: final(
    'The invitation had too many tries: its code is dead.',
    'Somebody mistyped, or guessed. Run `parley pair` again, and tell the new code over another way.'
  ),
  PAIRING_EXPIRED: final('The ten minutes of the pairing are over.', 'Run `parley pair` again.'),
  PAIRING_CANCELLED: final('One side ended the pairing.', 'Run `parley pair` again.'),
  PAIRING_FAILED: again('The run of pairing broke off.', 'Try again with the same code, as long as it is open.'),
  PAIRING_REFUSED: final(
    'The other side cannot take this card: it has another contact with that ID, node ID or key, or has blocked it.',
    'Look at what its `parley pair` says; `--renew CONTACT` there replaces a contact.'
  ),
  PAIRING_RESTING: again(
    'Too many wrong tries were made within ten minutes: pairing rests.',
    'Wait until data.restMs are over.'
  ),
  PAIRING_LIMIT: again('Too many pairings are open.', 'Wait for some, or cancel them.'),

  // sending
  BLOCKED: final('The contact is blocked here.', 'Unblock it with `parley peer block NAME --off`.'),
  UNTRUSTED: final(
    'The contact has less trust than it takes, or another key that is not decided on.',
    'See `parley peer show NAME`: verify the contact, or decide on its key with `parley peer accept-key`.'
  ),
  KEY_NOT_OFFERED: final(
    'That is no key of the contact to decide on.',
    'See `parley peer show NAME` for the keys that are.'
  ),
  CHAIN_FOREIGN: final(
    'A succession of keys was shown that is not that of the contact.',
    'Ask the contact what happened; pair anew with `parley pair --renew NAME` if its key is another now.'
  ),
  CHAIN_REPLAYED: final(
    'The contact showed an older key than the one that is known.',
    'Ask the contact whether its daemon was put back from an old backup; then pair anew with `parley pair --renew NAME`.'
  ),
  CHAIN_GAP: final(
    'The contact has changed its key too often for this daemon to follow.',
    'Pair anew: `parley pair --renew NAME`.'
  ),
  FORK: final(
    'A key of the contact has two successors: somebody else has had that key.',
    'Ask the contact which key is its own, and pair anew with `parley pair --renew NAME`.'
  ),
  PEER_OFFLINE: again(
    'The peer cannot be reached now.',
    'Check that its daemon runs and that its addresses are right: `parley peer show NAME`.'
  ),
  NOT_ACCEPTED: again(
    'The peer is reachable but hung up: it has probably not added your card, or has blocked you.',
    'Give it your card: `parley card`.'
  ),
  CHANNEL_LIMIT: final(
    'Too many channels are open with that contact.',
    'Use fewer channel names; at most 1,024 are open at a time.'
  ),
  QUEUE_FULL: again('Too much is waiting for that contact.', 'Wait until some of it is sent.'),
  NO_SUCH_MESSAGE: final(
    'No message that this daemon knows of has that ID.',
    'Check the ID; old messages are forgotten once nothing more can happen to them.'
  ),
  ALREADY_SENT: final(
    'The message is on its way to the peer, or there.',
    'Nothing: what was sent cannot be taken back.'
  ),
  IDEMPOTENCY_CONFLICT: final(
    'That idempotency key was used for another call.',
    'Use a new key for each message; the same key only to repeat a call unchanged.'
  ),
  MESSAGE_EXPIRED: final(
    'The time of the message was over before the peer stored it.',
    'data.reached tells whether an app of the peer may see it all the same: "no" or "maybe". Send it again with more time if it still matters.'
  ),
  MESSAGE_REJECTED: final(
    'The peer did not take the message.',
    'data.reason says why: what its app said, or a code such as NOT_HANDLED.'
  ),
  MESSAGE_CANCELLED: final('The message was taken back.', 'Nothing: the peer never gets it.'),

  // receiving
  CONSUMER_BUSY: final(
    'Another subscription reads as this consumer.',
    'Take it over (takeover: true, or --takeover), or read under another name (--consumer).'
  ),
  CONSUMER_MISMATCH: final('The consumer exists with another filter.', 'Use its filter, or another consumer name.'),
  NO_SUCH_CONSUMER: final('There is no such consumer.', 'Subscribe or fetch under that name first.'),
  NO_SUCH_SUBSCRIPTION: final('There is no such subscription on this connection.', 'Subscribe again.'),
  TAKEN_OVER: final(
    'Another subscription took this consumer over.',
    'Subscribe again with takeover: true if this one should have it.'
  ),
  NO_RESPONDER: again('No program of the peer answers requests of that name.', 'Start the program that serves it.'),
  RESPONDER_BUSY: final('Another program answers requests of that name.', 'End that one, or serve another name.'),
  DEADLINE: again(
    'The answer did not come in time.',
    'Try again with more time, if doing it twice does no harm: data.executed tells whether it may have been done.'
  ),
  RESPONDER_GONE: again(
    'The program of the peer that had the request ended before it answered.',
    'Try again, if doing it twice does no harm: it may have been done.'
  ),
  REQUEST_REFUSED: final(
    'The program of the peer refused the request.',
    'See what the message says; data.refusal has its code, where it gave one.'
  ),
  NO_SUCH_REQUEST: final('There is no such request, or it is over.', 'Nothing needs to be done.'),
  CURSOR_MOVED: again(
    'The cursor of this consumer was moved by a seek, and its subscription ended by that.',
    'Drop what came and was not taken, and subscribe again: the SDK does.'
  ),
  CURSOR_GONE: final(
    'What comes after that cursor is no longer kept.',
    'Read the state again and go on from "now" or "start".'
  ),

  // files
  NO_SUCH_TRANSFER: again(
    'There is no such file on its way here, or it is over.',
    'Wait until its sender offers it again, or see `parley receive-files`.'
  ),
  TRANSFER_POSITION: again('The receiver of the file goes on at another position.', 'Go on at data.position.'),
  TRANSFER_BUSY: final('Another program receives that file.', 'End that one, or accept with takeover: true.'),
  TRANSFER_CANCELLED: final(
    'The file was refused, or one side ended it.',
    'Ask the peer; send it anew if it is wanted.'
  ),
  TRANSFER_CORRUPT: final(
    'What arrived is not what was sent: a hash differs.',
    'Send the file anew; it may have changed while it was sent.'
  ),
  TRANSFER_CONFLICT: final(
    'That transfer ID belongs to another file.',
    'Use the ID with the same peer, name and size.'
  ),
  TRANSFER_LIMIT: again('Too many files are on their way.', 'Wait until some are over, or cancel them.'),
  // comparing secrets
  COMPARE_WAITING: final(
    'The contact has started a comparison, which waits for a secret from here.',
    'Answer it: `parley compare NAME`, or compare.answer with data.compare; data.question says what the contact asks.'
  ),
  COMPARE_BUSY: again(
    'Another comparison is under way: one at a time with a contact, 16 in all.',
    'Wait until it is over.'
  ),
  COMPARE_LOCKED: again(
    'Too many comparisons with this contact came to no match: 5 in 15 minutes.',
    'Wait; data.retryAfterMs says how long. If it was not you who tried, the contact may be guessing.'
  ),
  COMPARE_REFUSED: again(
    'The other side ended the comparison.',
    'data.reason says why: DECLINED, BUSY, LOCKED, TIMED_OUT, CANCELLED, FAILED or TAMPERED.'
  ),
  NO_SUCH_COMPARISON: final('There is no such comparison, or it is over.', 'Start another one.'),
  TAMPERED: final(
    'What the other side sent does not hold: it was changed on its way, or its program does not follow the protocol.',
    'Do not trust it for now. Try another network, and ask the peer which program it runs.'
  ),

  // the vault
  RESERVED_CONTENT: final(
    'The content starts like what the daemon signs for itself: UEC, or parley/.',
    'Put something before it, such as a line that says what it is.'
  ),
  AUTHENTICATION_FAILED: final(
    'What was given does not open, or its signature does not hold: it is damaged, of somebody else, or for another key or context.',
    'Check who it is from, whom it is for, and the context.'
  ),
  INVALID_MESSAGE: final(
    'What was given is not of the format that is read, or is cut off.',
    'Check that it is the whole output of the command, or of the Themis program, that made it.'
  ),
  VAULT_BUSY: again(
    'The vault is in use: one input at a time for a connection, and so much for all together.',
    'Wait until it is done; or use another connection.'
  ),
  NO_SUCH_VAULT_RUN: final('The connection has no such use of the vault.', 'Begin anew with vault.begin.'),

  FILE_FAILED: final('A file cannot be read or written.', 'Look at what the message names: space, mode, name.'),

  // starting
  CONFIG_NOT_FOUND: final('The named configuration file is not there.', 'Check the path.'),
  CONFIG_INVALID: final(
    'The configuration has an error.',
    'Mend the setting that the message names; `parley config check` tells whether it is right.'
  ),
  NOT_INITIALIZED: final('This home has no identity yet.', 'Run `parley init`, or `parley up`, which makes one.'),
  ALREADY_INITIALIZED: final('This home has an identity already.', 'Use it, or choose another home.'),
  ALREADY_RUNNING: final('A daemon already serves this home.', 'Use it: `parley status`.'),
  KEYRING_INVALID: final(
    'The keyring file is damaged or cut off.',
    'Restore it from a backup; without it this identity is lost.'
  ),
  KEYRING_MISSING: final(
    'The keyring file of a home that was in use is gone.',
    'Restore it from a backup; without it this identity, and what the store holds, are lost.'
  ),
  KEYRING_NEWER: final('The keyring was written by a newer version.', 'Run that version or a newer one.'),
  KEYRING_KEY_MISSING: final(
    'The file with the key of the keyring is gone.',
    'Put keyring.key back where it was, from a backup; without it the keyring cannot be opened.'
  ),
  KEYRING_KEY_INVALID: final(
    'The file with the key of the keyring is damaged, or belongs to another keyring.',
    'Put back the keyring.key that was made with this keyring.'
  ),
  PASSPHRASE_REQUIRED: final(
    'A passphrase is needed, and there is nobody to ask.',
    'Name a file with it (--passphrase-file, PARLEY_PASSPHRASE_FILE), give the service the credential parley-passphrase, or start it on a terminal.'
  ),
  PASSPHRASE_WRONG: final('The passphrase is wrong.', 'Try again with the right one; nothing was changed.'),
  PASSPHRASE_INVALID: final(
    'There is no usable passphrase where one was named.',
    'Write 1 to 1,024 bytes into the file that the message names.'
  ),
  BACKUP_INVALID: final('The file is no backup of an identity, or is damaged.', 'Use another copy of the backup.'),
  BACKUP_NEWER: final('The backup was written by a newer version.', 'Import it with that version or a newer one.'),
  KEYRING_MODE: final('Others may read a file of keys.', 'Run the command that the message names.'),
  STORE_KEYS_MISSING: final(
    "The file of the store's keys, which earlier versions had, is gone.",
    'Restore it from a backup; without it the sealed records of the store are lost.'
  ),
  STORE_KEYS_INVALID: final(
    "The store's keys are damaged, or are those of another store.",
    'Restore keyring and store from the same backup; without its keys the records of the store are lost.'
  ),
  STORE_LOCKED: final('Another process has the store open.', 'Stop that process.'),
  STORE_UNAVAILABLE: again(
    'The store cannot be written.',
    'Look at the disk: space, mode, errors. The daemon goes on by itself.'
  ),
  STORE_NEWER: final('The store was written by a newer version.', 'Run that version or a newer one.'),
  STORE_DAMAGED: final(
    'The database of the store is damaged.',
    'Restore the state directory from a backup; `parley export` reads out what is left.'
  ),
  RECORD_DAMAGED: final(
    'A record of the store does not decode.',
    'Restore the state directory from a backup; `parley export` reads out what is left.'
  ),
  SOCKET_PATH_TOO_LONG: final(
    'The path of the socket is too long for this system.',
    'Choose a shorter home, or a path with --socket.'
  ),
  SOCKET_FAILED: final('The local socket cannot be made.', 'Check the directory that the message names.'),
  ADDRESS_IN_USE: final('The listen address is taken.', 'Choose another with --listen.'),
  LISTEN_FAILED: final('The daemon cannot listen on that address.', 'Check network.listen.'),

  // between daemons
  DIAL_FAILED: again(
    'Nothing usable answered at the address.',
    "Check that the peer's daemon runs and that the address is right."
  ),
  WRONG_NODE: again('Another node answers at that address.', 'Ask the peer for a new card.'),
  FRAME_TOO_LARGE: final('A frame was longer than allowed.', 'Nothing: the stream was closed.'),

  // test networks
  NO_SUCH_TESTNET: final('No test network runs there.', 'Start one with `parley testnet up -n 3`.'),
  NO_SUCH_NODE: final('The test network has no such node.', 'See `parley testnet ls`.'),
  TESTNET_EXISTS: final(
    'A test network already runs there.',
    'Stop it with `parley testnet down`, or name another directory with --dir.'
  ),
  USAGE: final('The command line is wrong.', 'See --help.')
} as const satisfies Record<string, ErrorInfo>

export type ErrorCode = keyof typeof ERRORS

/** JSON-RPC's own numbers; every other error has -32000. Ours is `error.data.code`. */
export const JSON_RPC_NUMBERS: { readonly [code in ErrorCode]?: number } = {
  PARSE_ERROR: -32700,
  INVALID_REQUEST: -32600,
  METHOD_NOT_FOUND: -32601,
  INVALID_PARAMS: -32602,
  INTERNAL: -32603
}
export const JSON_RPC_OTHER = -32000

/** The `data` of a JSON-RPC error. Members beside these are the code's own, such as `candidates` or `freeBytes`. */
export interface ErrorData {
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly action: string
  readonly [member: string]: unknown
}
