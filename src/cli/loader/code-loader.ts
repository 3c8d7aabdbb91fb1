import { createRequire } from 'node:module';
import path from 'node:path';
import { Script } from 'node:vm';
import type { FreshCode } from './code-cache.ts';

type Wrapped = (
  exports: Record<string, unknown>,
  require: (name: string) => unknown,
  module: { exports: unknown },
  filename: string,
  directory: string,
) => void;

interface Loaded {
  module: { exports: unknown };
  script: Script;
  isFromCache: boolean;
}

/** Parts of Node that cost milliseconds and that most runs do not touch: loaded when something of theirs is used. */
const lazy = new Set([
  'crypto',
  'fs/promises',
  'http2',
  'https',
  'readline',
  'readline/promises',
  'tls',
  'worker_threads',
  'zlib',
]);

/** Where parts come from, and their compiled code. */
export interface CodeSource {
  /** The folder that parts are told to lie in; nothing has to be there. */
  readonly directory: string;
  /** A part's text, which is ASCII. */
  text(name: string): string;
  /** Its code as V8 compiled it; null when there is none to be trusted. */
  code(name: string): Buffer | null;
  /** Takes code that had to be compiled. Failing costs nothing but time. */
  keep(codes: readonly FreshCode[]): void;
}

/**
 * Runs the parts of the built command, with V8's code cache beside them: compiling them again costs every start more
 * than Node itself does. Node's own compile cache needs 22.1; this one serves every Node alike.
 */
export class CodeLoader {
  readonly #source: CodeSource;
  readonly #require: NodeJS.Require;
  readonly #parts = new Map<string, Loaded>();

  constructor(source: CodeSource) {
    this.#source = source;
    this.#require = createRequire(path.join(source.directory, 'part.js'));
  }

  load(name: string): unknown {
    const known = this.#parts.get(name);
    if (known !== undefined) return known.module.exports;
    const { directory } = this.#source;
    const filename = path.join(directory, name);
    const source = this.#source.text(name);
    const cachedData = this.#source.code(name);
    const script = new Script(`(function (exports, require, module, __filename, __dirname) { ${source}\n})`, {
      filename,
      ...(cachedData !== null && { cachedData }),
    });
    const module = { exports: {} };
    const isFromCache = cachedData !== null && script.cachedDataRejected !== true;
    this.#parts.set(name, { module, script, isFromCache });
    const run = script.runInThisContext() as Wrapped;
    run(module.exports, (wanted) => this.#required(wanted), module, filename, directory);
    return module.exports;
  }

  /** Keeps the compiled code of this run for the next, where there is none yet. */
  keep(): void {
    const fresh = [...this.#parts].filter(([, { isFromCache }]) => !isFromCache);
    this.#source.keep(fresh.map(([name, { script }]) => ({ name, code: () => script.createCachedData() })));
  }

  #required(name: string): unknown {
    if (name.startsWith('./')) return this.load(name.slice(2));
    const isLazy = name.startsWith('node:') && lazy.has(name.slice(5));
    return isLazy ? later(() => this.#require(name) as object) : this.#require(name);
  }
}

/** Stands for a module until something of it is used: code reads `module.name` where it uses the name. */
function later(real: () => object): object {
  return new Proxy(
    {},
    {
      get: (_target, key) => Reflect.get(real(), key) as unknown,
      has: (_target, key) => Reflect.has(real(), key),
      ownKeys: () => Reflect.ownKeys(real()),
      getOwnPropertyDescriptor: (_target, key) => ({
        ...Reflect.getOwnPropertyDescriptor(real(), key),
        // A proxy may not report a fixed property that its own target lacks.
        configurable: true,
      }),
    },
  );
}
