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

interface Compiled {
  script: Script;
  isFromCache: boolean;
}

/** The parts that one text holds, by its name: those that the same commands want. A file each would cost a start more than what is in it. */
export type Packs = Readonly<Record<string, readonly string[]>>;

/** Parts of Node that cost milliseconds and that most runs do not touch: loaded when something of theirs is used. */
const lazy = new Set([
  'crypto',
  'fs/promises',
  'http',
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
  readonly #packOf: ReadonlyMap<string, string>;
  readonly #packs = new Map<string, Record<string, Wrapped>>();
  readonly #modules = new Map<string, { exports: unknown }>();
  readonly #compiled = new Map<string, Compiled>();

  constructor(source: CodeSource, packs: Packs = {}) {
    this.#source = source;
    this.#packOf = new Map(Object.entries(packs).flatMap(([pack, names]) => names.map((name) => [name, pack])));
    this.#require = createRequire(path.join(source.directory, 'part.js'));
  }

  load(name: string): unknown {
    const known = this.#modules.get(name);
    if (known !== undefined) return known.exports;
    const { directory } = this.#source;
    const run = this.#wrapped(name);
    const module = { exports: {} };
    this.#modules.set(name, module);
    run(module.exports, (wanted) => this.#required(wanted), module, path.join(directory, name), directory);
    return module.exports;
  }

  #wrapped(name: string): Wrapped {
    const pack = this.#packOf.get(name);
    if (pack === undefined) return this.#compile(name, (text) => wrapped(text)) as Wrapped;
    let parts = this.#packs.get(pack);
    if (parts === undefined) {
      parts = this.#compile(pack, (text) => text) as Record<string, Wrapped>;
      this.#packs.set(pack, parts);
    }
    return parts[name] as Wrapped;
  }

  /** What the text comes to as an expression. */
  #compile(name: string, expression: (text: string) => string): unknown {
    const cachedData = this.#source.code(name);
    const script = new Script(expression(this.#source.text(name)), {
      filename: path.join(this.#source.directory, name),
      ...(cachedData !== null && { cachedData }),
    });
    this.#compiled.set(name, { script, isFromCache: cachedData !== null && script.cachedDataRejected !== true });
    return script.runInThisContext();
  }

  /** Keeps the compiled code of this run for the next, where there is none yet. */
  keep(): void {
    const fresh = [...this.#compiled].filter(([, { isFromCache }]) => !isFromCache);
    this.#source.keep(fresh.map(([name, { script }]) => ({ name, code: () => script.createCachedData() })));
  }

  #required(name: string): unknown {
    if (name.startsWith('./')) return this.load(name.slice(2));
    const isLazy = name.startsWith('node:') && lazy.has(name.slice(5));
    return isLazy ? later(() => this.#require(name) as object) : this.#require(name);
  }
}

/** The text of a part as the expression that runs it: so it is alone, and so it stands in a pack. */
export function wrapped(text: string): string {
  return `(function (exports, require, module, __filename, __dirname) { ${text}\n})`;
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
