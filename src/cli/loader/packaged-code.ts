import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { CodeSource } from './code-loader.ts';
import { CodeCache, type CodeCacheOptions, type FreshCode } from './code-cache.ts';

/**
 * The parts of an installed package. The caches for the Node that ran the build lie in the package; those for another are
 * written to the user's cache directory after the first run. A cache of another V8 has another name, and one that V8
 * rejects is made anew.
 */
export class PackagedCode implements CodeSource {
  readonly directory: string;
  readonly #cache: CodeCache;

  constructor(directory: string, whose: Omit<CodeCacheOptions, 'installation'>) {
    this.directory = directory;
    this.#cache = new CodeCache({ ...whose, installation: path.dirname(directory) });
  }

  text(name: string): string {
    // Chunks are ASCII, which V8 keeps in one byte a character.
    return readFileSync(path.join(this.directory, name), 'latin1');
  }

  code(name: string): Buffer | null {
    return this.#cache.read(name);
  }

  keep(codes: readonly FreshCode[]): void {
    this.#cache.keep(codes);
  }
}
