import type { KeyPair, SecureComparator, SecureSession } from 'wasm-themis'
import {
  bytes,
  type Case,
  damaged,
  EMPTY,
  loose,
  make,
  NOT_BYTES,
  outcomeOf,
  TEXT,
  type Themis,
  withEach
} from './case.ts'

const messageCases: readonly Case[] = [
  {
    name: 'signed messages',
    run: ({ KeyPair, SecureMessageSign, SecureMessageVerify }) => {
      const pair = new KeyPair()
      const signed = new SecureMessageSign(pair.privateKey).sign(TEXT)
      const changed = signed.slice()
      changed[13] = 0
      const longer = Buffer.concat([signed, TEXT])
      const verifier = new SecureMessageVerify(pair.publicKey)
      return [
        verifier.verify(signed),
        verifier.verify(longer),
        outcomeOf(() => verifier.verify(changed)),
        outcomeOf(() => new SecureMessageVerify(new KeyPair().publicKey).verify(signed)),
        Array.from({ length: 24 }, (_, length) => outcomeOf(() => verifier.verify(signed.slice(0, length))))
      ]
    }
  },
  {
    name: 'signers and verifiers of wrong things',
    run: ({ KeyPair, SecureMessageSign, SecureMessageVerify }) => {
      const pair = new KeyPair()
      const wrong = [...NOT_BYTES, EMPTY, pair, new Uint8Array(pair.privateKey), new Uint8Array(pair.publicKey)]
      const signer = loose(new SecureMessageSign(pair.privateKey))
      const verifier = loose(new SecureMessageVerify(pair.publicKey))
      return [
        withEach([...wrong, pair.publicKey], value => make(SecureMessageSign, value)),
        withEach([...wrong, pair.privateKey], value => make(SecureMessageVerify, value)),
        withEach([...NOT_BYTES, EMPTY], value => signer['sign']?.(value)),
        withEach([...NOT_BYTES, EMPTY, TEXT], value => verifier['verify']?.(value))
      ]
    }
  },
  {
    name: 'encrypted messages',
    run: ({ KeyPair, SecureMessage, SecureMessageSign, SecureMessageVerify }) => {
      const [ours, theirs] = [new KeyPair(), new KeyPair()]
      const sender = new SecureMessage(make(KeyPair, ours.privateKey, theirs.publicKey) as unknown as KeyPair)
      const receiver = make(SecureMessage, ours.publicKey, theirs.privateKey)
      const other = new SecureMessage(new KeyPair())
      const encrypted = sender.encrypt(TEXT)
      return [
        encrypted.length,
        receiver['decrypt']?.(encrypted),
        outcomeOf(() => other.decrypt(encrypted)),
        outcomeOf(() => new SecureMessageVerify(ours.publicKey).verify(encrypted)),
        outcomeOf(() => sender.decrypt(new SecureMessageSign(ours.privateKey).sign(TEXT))),
        damaged(encrypted).map(wrong => outcomeOf(() => receiver['decrypt']?.(wrong)))
      ]
    }
  },
  {
    name: 'encryption with wrong things',
    run: ({ KeyPair, SecureMessage }) => {
      const pair = new KeyPair()
      const { privateKey, publicKey } = pair
      const message = loose(new SecureMessage(pair))
      return [
        withEach([...NOT_BYTES, EMPTY, privateKey, publicKey], value => make(SecureMessage, value)),
        withEach([...NOT_BYTES, EMPTY, publicKey, new Uint8Array(privateKey)], value =>
          make(SecureMessage, publicKey, value)
        ),
        withEach([...NOT_BYTES, EMPTY, privateKey, new Uint8Array(publicKey)], value =>
          make(SecureMessage, value, privateKey)
        ),
        outcomeOf(() => make(SecureMessage)),
        outcomeOf(() => make(SecureMessage, privateKey, publicKey, 1)),
        withEach([...NOT_BYTES, EMPTY], value => message['encrypt']?.(value)),
        withEach([...NOT_BYTES, EMPTY, TEXT], value => message['decrypt']?.(value))
      ]
    }
  }
]

const CLIENT_ID = bytes('client')
const SERVER_ID = bytes('server')

interface Sessions {
  readonly client: SecureSession
  readonly server: SecureSession
  readonly asked: string[]
}

export function openSessions({ KeyPair, SecureSession }: Themis): Sessions {
  const [clientPair, serverPair] = [new KeyPair(), new KeyPair()]
  const asked: string[] = []
  const session = (id: Uint8Array, own: KeyPair, peer: KeyPair) =>
    new SecureSession(id, own.privateKey, asker => {
      asked.push(Buffer.from(asker).toString())
      return peer.publicKey
    })
  return {
    client: session(CLIENT_ID, clientPair, serverPair),
    server: session(SERVER_ID, serverPair, clientPair),
    asked
  }
}

export function openEstablished(themis: Themis): Sessions {
  const sessions = openSessions(themis)
  const { client, server } = sessions
  client.negotiateReply(server.negotiateReply(client.negotiateReply(server.negotiateReply(client.connectionRequest()))))
  return sessions
}

const sessionCases: readonly Case[] = [
  {
    name: 'a handshake, who is established when, and messages both ways',
    run: themis => {
      const { client, server, asked } = openSessions(themis)
      const states: unknown[] = []
      let message = client.connectionRequest()
      for (const side of [server, client, server, client]) {
        message = side.negotiateReply(message)
        states.push([message.length > 0, client.established(), server.established()])
      }
      const received = [server.unwrap(client.wrap(TEXT)), client.unwrap(server.wrap(TEXT)), client.wrap(TEXT).length]
      return [states, received, [...new Set(asked)]]
    }
  },
  {
    name: 'sessions of wrong things',
    run: ({ KeyPair, SecureSession }) => {
      const { privateKey, publicKey } = new KeyPair()
      const lookUp = () => publicKey
      return [
        withEach([...NOT_BYTES, EMPTY], value => make(SecureSession, value, privateKey, lookUp)),
        withEach([...NOT_BYTES, EMPTY, publicKey, new Uint8Array(privateKey)], value =>
          make(SecureSession, CLIENT_ID, value, lookUp)
        ),
        withEach(NOT_BYTES, value => make(SecureSession, CLIENT_ID, privateKey, value)),
        outcomeOf(() => typeof new SecureSession(CLIENT_ID, privateKey, lookUp).keyCallback)
      ]
    }
  },
  {
    name: 'messages of wrong types',
    run: themis =>
      [openSessions(themis).client, openEstablished(themis).server].map(session =>
        ['negotiateReply', 'wrap', 'unwrap'].map(method =>
          withEach([...NOT_BYTES, EMPTY], value => loose(session)[method]?.(value))
        )
      )
  },
  {
    name: 'what a callback may return, and throw',
    run: ({ KeyPair, SecureSession }) => {
      const pair = new KeyPair()
      const request = new SecureSession(CLIENT_ID, pair.privateKey, () => pair.publicKey).connectionRequest()
      const answers: readonly (() => unknown)[] = [
        () => pair.publicKey,
        () => null,
        () => undefined,
        () => new KeyPair().publicKey,
        () => pair.privateKey,
        () => new Uint8Array(pair.publicKey),
        () => 'key',
        () => {
          throw new Error('no such peer')
        },
        () => {
          throw new TypeError('no such peer')
        }
      ]
      return answers.map(answer => {
        const server = make(SecureSession, SERVER_ID, pair.privateKey, answer)
        return outcomeOf(() => typeof server['negotiateReply']?.(request))
      })
    }
  },
  {
    name: 'a refused message changes nothing: the genuine one passes afterwards',
    run: themis => {
      const { client, server } = openSessions(themis)
      const wrong = (message: Uint8Array, side: SecureSession) =>
        damaged(message).map(bad => outcomeOf(() => side.negotiateReply(bad).length))
      const message1 = client.connectionRequest()
      const atServer = new Set(wrong(message1, server))
      const message2 = server.negotiateReply(message1)
      const atClient = new Set(wrong(message2, client))
      const message4 = server.negotiateReply(client.negotiateReply(message2))
      return [[...atServer].sort(), [...atClient].sort(), client.negotiateReply(message4), client.established()]
    }
  },
  {
    name: 'requests that cross, or are repeated before an answer',
    run: themis => {
      const { client, server } = openSessions(themis)
      const [first, second] = [client.connectionRequest(), client.connectionRequest()]
      const crossing = outcomeOf(() => {
        const both = openSessions(themis)
        both.server.connectionRequest()
        return both.server.negotiateReply(both.client.connectionRequest())
      })
      const reply = server.negotiateReply(first)
      return [
        crossing,
        first.length > 100 && second.length > 100,
        outcomeOf(() => server.negotiateReply(second).length),
        client.negotiateReply(reply).length > 0
      ]
    }
  },
  {
    name: 'handshake messages that come out of turn',
    run: themis => {
      const { client, server } = openSessions(themis)
      const message1 = client.connectionRequest()
      const message2 = server.negotiateReply(message1)
      const message3 = client.negotiateReply(message2)
      return [
        outcomeOf(() => client.negotiateReply(message2).length),
        outcomeOf(() => client.negotiateReply(message3).length),
        outcomeOf(() => server.negotiateReply(message1).length),
        outcomeOf(() => server.negotiateReply(message2).length)
      ]
    }
  },
  {
    name: 'data that is damaged, repeated, out of order or lost',
    run: themis => {
      const { client, server } = openEstablished(themis)
      const wrapped = Array.from({ length: 20 }, () => client.wrap(TEXT))
      const at = (i: number) => outcomeOf(() => server.unwrap(wrapped[i] as Uint8Array))
      const changed = (wrapped[0] as Uint8Array).slice()
      changed[60] = (changed[60] as number) ^ 1
      return [
        outcomeOf(() => server.unwrap(changed)),
        [0, 0, 2, 1, 2, 10, 1, 3, 11, 19].map(at),
        [1, 51].map(length => outcomeOf(() => server.unwrap((wrapped[12] as Uint8Array).slice(0, length)))),
        outcomeOf(() => server.negotiateReply(TEXT))
      ]
    }
  },
  {
    name: 'a session that is established may be begun anew',
    run: themis => {
      const { client } = openEstablished(themis)
      return [client.connectionRequest().length > 100, client.established()]
    }
  },
  {
    name: 'a destroyed session',
    run: themis => {
      const { client } = openEstablished(themis)
      client.destroy()
      const calls = ['connectionRequest', 'destroy'].map(method => outcomeOf(() => loose(client)[method]?.()))
      return [calls, ['negotiateReply', 'wrap', 'unwrap'].map(name => outcomeOf(() => loose(client)[name]?.(TEXT)))]
    }
  }
]

export function compare(
  alice: SecureComparator,
  bob: SecureComparator,
  spoil?: (n: number, message: Uint8Array) => void
) {
  let message = alice.begin()
  const progress: unknown[] = []
  for (const [n, side] of [bob, alice, bob, alice].entries()) {
    spoil?.(n, message)
    message = side.proceed(message)
    progress.push([message.length, alice.complete(), bob.complete()])
  }
  return [progress, alice.compareEqual(), bob.compareEqual()]
}

/** Each argument a piece of the secret. */
export const comparatorOf = ({ SecureComparator }: Themis, ...pieces: string[]) =>
  make(SecureComparator, ...pieces.map(bytes)) as unknown as SecureComparator

const comparatorCases: readonly Case[] = [
  {
    name: 'comparisons of equal and of different secrets, whole and in pieces',
    run: themis => [
      compare(comparatorOf(themis, 'secret'), comparatorOf(themis, 'secret')),
      compare(comparatorOf(themis, 'secret'), comparatorOf(themis, 'Secret')),
      compare(comparatorOf(themis, 'sec', 'ret'), comparatorOf(themis, 's', 'e', 'cret'))
    ]
  },
  {
    name: 'what either side says when a proof was spoilt on the way',
    run: themis =>
      [40, 300, 80, 40].map((offset, at) =>
        compare(comparatorOf(themis, 'secret'), comparatorOf(themis, 'secret'), (n, message) => {
          if (n === at) message[offset] = (message[offset] as number) ^ 1
        })
      )
  },
  {
    name: 'comparators with wrong arguments',
    run: themis => {
      const comparator = loose(new themis.SecureComparator())
      return [
        withEach([...NOT_BYTES, EMPTY], value => make(themis.SecureComparator, value)),
        withEach([...NOT_BYTES, EMPTY], value => comparator['append']?.(value)),
        outcomeOf(() => comparator['begin']?.()),
        withEach([...NOT_BYTES, EMPTY, TEXT], value => comparatorOf(themis, 'x').proceed(value as Uint8Array))
      ]
    }
  },
  {
    name: 'comparators that are asked too early, or used out of turn',
    run: themis => {
      const [alice, bob] = [comparatorOf(themis, 'x'), comparatorOf(themis, 'x')]
      const early = [alice.complete(), outcomeOf(() => alice.compareEqual())]
      const short = outcomeOf(() => alice.proceed(new Uint8Array(191)))
      const [first, crossing] = [alice.begin(), bob.begin()]
      return [
        early,
        short,
        outcomeOf(() => alice.begin()),
        outcomeOf(() => alice.append(TEXT)),
        outcomeOf(() => alice.proceed(crossing)),
        outcomeOf(() => bob.proceed(first)),
        comparatorOf(themis, 'x').proceed(first).length
      ]
    }
  },
  {
    name: 'finished and destroyed comparators',
    run: themis => {
      const [alice, bob] = [comparatorOf(themis, 'x'), comparatorOf(themis, 'x')]
      compare(alice, bob)
      const all = (side: SecureComparator) => [
        outcomeOf(() => side.begin()),
        outcomeOf(() => side.append(TEXT)),
        outcomeOf(() => side.proceed(new Uint8Array(400)))
      ]
      const finished = [alice.compareEqual(), bob.compareEqual(), all(alice), all(bob)]
      alice.destroy()
      return [finished, all(alice), outcomeOf(() => alice.compareEqual()), outcomeOf(() => alice.destroy())]
    }
  }
]

export const PROTOCOL_CASES: readonly Case[] = [...messageCases, ...sessionCases, ...comparatorCases]
