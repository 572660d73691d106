import { createServer, type Server, type Socket } from 'node:net'
import { ParleyError } from '@parley/client-sdk'
import type { ControlReply, ControlRequest } from './control.ts'

const REQUEST_LENGTH_MAX = 64 * 1024

/** Answers the commands of a test network. */
export class ControlServer {
  readonly #server: Server
  readonly #answer: (request: ControlRequest) => Promise<unknown>

  private constructor(answer: (request: ControlRequest) => Promise<unknown>) {
    this.#answer = answer
    this.#server = createServer(socket => this.#serve(socket))
  }

  /** Binds the socket, and fails with EADDRINUSE where one is. */
  static async listen(path: string, answer: (request: ControlRequest) => Promise<unknown>): Promise<ControlServer> {
    const control = new ControlServer(answer)
    const bound = Promise.withResolvers<void>()
    control.#server.once('error', bound.reject)
    control.#server.listen(path, bound.resolve)
    await bound.promise
    return control
  }

  /** Takes no more connections, and resolves when those that are open have their answers. */
  async close(): Promise<void> {
    const closed = Promise.withResolvers<void>()
    this.#server.close(() => closed.resolve())
    await closed.promise
  }

  #serve(socket: Socket): void {
    let text = ''
    socket.setEncoding('utf8')
    // Who asked is gone: nobody is left to tell.
    socket.on('error', () => undefined)
    socket.on('data', (chunk: string) => {
      text += chunk
      const end = text.indexOf('\n')
      if (text.length > REQUEST_LENGTH_MAX) socket.destroy()
      else if (end >= 0) {
        socket.removeAllListeners('data')
        void this.#reply(text.slice(0, end)).then(reply => socket.end(`${JSON.stringify(reply)}\n`))
      }
    })
  }

  async #reply(line: string): Promise<ControlReply> {
    try {
      return { result: await this.#answer(JSON.parse(line) as ControlRequest) }
    } catch (error) {
      const code = error instanceof ParleyError ? error.code : 'INTERNAL'
      return { error: { code, message: error instanceof Error ? error.message : String(error) } }
    }
  }
}
