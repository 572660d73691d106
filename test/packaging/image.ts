import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join, posix, relative } from 'node:path'
import { type Argv, contextFilter, type Instruction, parseArgv, parseDockerfile, splitFlags } from './dockerfile.ts'
import { makeNodeRoot, runInRoot } from './empty-root.ts'

/** What a container starts from: a root folder and how to run in it. */
export interface Image {
  readonly root: string
  readonly base: string
  env: Record<string, string>
  user: string
  workdir: string
  volumes: string[]
  entrypoint: Argv
  healthcheck: Argv
  stopSignal: string
}

export interface BuildOptions {
  /** Holds the Dockerfile and the .dockerignore. */
  readonly contextPath: string
  /** An empty folder; each stage gets a root in it. */
  readonly workPath: string
  /** Told each instruction before it is done. */
  readonly log: (line: string) => void
}

/** The one base image that there is a stand-in for. */
export const BASE_IMAGE = 'node:24-slim'

/**
 * Does what a Dockerfile says, instruction by instruction, each stage in an empty root, where no container engine runs.
 *
 * @returns the last stage
 * @throws {Error} at the first step that fails, with its line and output, and at any instruction it does not know
 */
export async function buildImage(options: BuildOptions): Promise<Image> {
  const build = new Build(options)
  const text = readFileSync(join(options.contextPath, 'Dockerfile'), 'utf8')
  for (const instruction of parseDockerfile(text)) {
    options.log(`${instruction.line}: ${instruction.name} ${instruction.rest}`)
    await build.apply(instruction)
  }
  return build.image
}

class Build {
  readonly #options: BuildOptions
  readonly #admits: (path: string) => boolean
  readonly #stages = new Map<string, Image>()
  #image: Image | undefined

  constructor(options: BuildOptions) {
    this.#options = options
    this.#admits = contextFilter(readFileSync(join(options.contextPath, '.dockerignore'), 'utf8'))
  }

  get image(): Image {
    if (this.#image === undefined) throw new Error('the Dockerfile must start with FROM')
    return this.#image
  }

  async apply(instruction: Instruction): Promise<void> {
    const { name, rest, line } = instruction
    const { flags, words } = splitFlags(rest)
    switch (name) {
      case 'FROM':
        return this.#from(words)
      case 'COPY':
        return this.#copy(flags['from'], words)
      case 'RUN':
        return this.#run(instruction)
      case 'ENV': {
        const [key = '', value = ''] = rest.split('=')
        this.image.env[key] = value
        return
      }
      case 'WORKDIR':
        this.image.workdir = posix.resolve(this.image.workdir, rest)
        mkdirSync(join(this.image.root, this.image.workdir), { recursive: true })
        return
      case 'USER':
        this.image.user = rest
        return
      case 'VOLUME':
        this.image.volumes.push(rest)
        return
      case 'STOPSIGNAL':
        this.image.stopSignal = rest
        return
      case 'HEALTHCHECK':
        this.image.healthcheck = parseArgv(instruction)
        return
      case 'ENTRYPOINT':
        this.image.entrypoint = parseArgv(instruction)
        return
      case 'EXPOSE':
        return
      default:
        throw new Error(`Dockerfile line ${line}: nobody here knows ${name}`)
    }
  }

  #from([base = '', , name = `stage-${this.#stages.size}`]: readonly string[]): void {
    const root = join(this.#options.workPath, name)
    const parent = this.#stages.get(base)
    if (parent === undefined && base !== BASE_IMAGE) throw new Error(`there is no stand-in for the image ${base}`)
    mkdirSync(root)
    if (parent === undefined) makeNodeRoot(root)
    else cpSync(parent.root, root, { recursive: true, verbatimSymlinks: true })
    this.#image = {
      root,
      base: parent?.base ?? base,
      env: { ...parent?.env },
      user: parent?.user ?? 'root',
      workdir: parent?.workdir ?? '/',
      volumes: [],
      entrypoint: [],
      healthcheck: [],
      stopSignal: 'SIGTERM'
    }
    this.#stages.set(name, this.#image)
  }

  #copy(from: string | undefined, words: readonly string[]): void {
    const stage = from === undefined ? undefined : this.#stages.get(from)
    if (from !== undefined && stage === undefined) throw new Error(`COPY from ${from}, which is no stage`)
    const sourceRoot = stage?.root ?? this.#options.contextPath
    const to = join(this.image.root, posix.resolve(this.image.workdir, words.at(-1) ?? ''))
    const intoFolder = words.at(-1)?.endsWith('/') === true
    for (const word of words.slice(0, -1)) {
      const source = join(sourceRoot, word)
      const passes = (path: string): boolean => stage !== undefined || this.#admits(relative(sourceRoot, path))
      if (!existsSync(source) || !passes(source)) throw new Error(`COPY ${word}: not there, or ignored`)
      const target = statSync(source).isFile() && intoFolder ? join(to, basename(source)) : to
      cpSync(source, target, { recursive: true, verbatimSymlinks: true, filter: passes })
    }
  }

  async #run({ rest, line }: Instruction): Promise<void> {
    const { root, env, workdir, user } = this.image
    const done = await runInRoot(root, { argv: ['/bin/sh', '-c', rest], env, workdir, user })
    if (done.code !== 0) throw new Error(`Dockerfile line ${line} ended with ${done.code}: ${done.output}`)
  }
}
