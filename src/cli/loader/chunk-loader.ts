import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { cachedDataVersionTag } from 'node:v8';
import { Script } from 'node:vm';
import { CodeCache } from './code-cache.ts';

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

/** Tells this build's chunks from those of another. Put in by the build. */
declare const __BUILD_ID__: string;

/**
 * Runs the chunks of the built command, with V8's code cache beside them: compiling them again costs every start more
 * than Node itself does. Node's own compile cache needs 22.1; this one serves every Node alike.
 *
 * The caches for the Node that ran the build lie in the package; those for another are written to the user's cache
 * directory after the first run. A cache of another V8 has another name, and one that V8 rejects is made anew.
 */
export class ChunkLoader {
  readonly #directory: string;
  readonly #require: NodeJS.Require;
  readonly #cache: CodeCache;
  readonly #chunks = new Map<string, Loaded>();

  constructor(
    directory: string,
    whose: { env: Readonly<Record<string, string | undefined>>; cwd: string; uid: number | null },
  ) {
    this.#directory = directory;
    this.#require = createRequire(path.join(directory, 'chunk.js'));
    const tag = `${cachedDataVersionTag().toString(16)}-${__BUILD_ID__}`;
    this.#cache = new CodeCache({ ...whose, installation: path.dirname(directory), tag });
  }

  load(name: string): unknown {
    const known = this.#chunks.get(name);
    if (known !== undefined) return known.module.exports;
    const filename = path.join(this.#directory, name);
    // Chunks are ASCII, which V8 keeps in one byte a character.
    const source = readFileSync(filename, 'latin1');
    const cachedData = this.#cache.read(name);
    const script = new Script(`(function (exports, require, module, __filename, __dirname) { ${source}\n})`, {
      filename,
      ...(cachedData !== null && { cachedData }),
    });
    const module = { exports: {} };
    const isFromCache = cachedData !== null && script.cachedDataRejected !== true;
    this.#chunks.set(name, { module, script, isFromCache });
    const run = script.runInThisContext() as Wrapped;
    run(module.exports, (wanted) => this.#required(wanted), module, filename, this.#directory);
    return module.exports;
  }

  /** Keeps the compiled code of this run for the next, where there is none yet. Failing costs nothing but time. */
  keep(): void {
    const fresh = [...this.#chunks].filter(([, { isFromCache }]) => !isFromCache);
    this.#cache.keep(fresh.map(([name, { script }]) => ({ name, code: () => script.createCachedData() })));
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
