import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ChunkSource } from './chunk-loader.ts';
import { CodeCache, type CodeCacheOptions } from './code-cache.ts';

/** The assets of a single executable: `node:sea`, whose bytes are not copied and may not be written to. */
export interface Assets {
  /** @throws Error when there is none of that name */
  getRawAsset(name: string): ArrayBuffer;
}

/**
 * The chunks inside a single executable, with the code that the same Node compiled of them. SQLite alone has to be a file
 * that the system can load: it is put into the user's own cache folder, by the rules for code caches, or, where there is
 * none to be trusted, into a folder that goes with the process.
 */
export class EmbeddedChunks implements ChunkSource {
  readonly directory: string;
  readonly #assets: Assets;
  /** What goes with the process; null when nothing does. */
  #temporary: string | null = null;

  /** @param addon the name of SQLite's file in the package */
  constructor(assets: Assets, addon: string, whose: Omit<CodeCacheOptions, 'installation'>) {
    this.#assets = assets;
    const cache = new CodeCache({ ...whose, installation: null });
    const file = path.join('sqlite', addon);
    const bytes = (): Uint8Array => new Uint8Array(assets.getRawAsset(file));
    // Where the history looks for it from a chunk of the package.
    this.directory = path.join(cache.unpack(file, bytes) ?? this.#unpackForThisRun(file, bytes()), 'cli', 'chunks');
  }

  text(name: string): string {
    return Buffer.from(this.#assets.getRawAsset(`chunks/${name}`)).toString('latin1');
  }

  code(name: string): Buffer | null {
    try {
      return Buffer.from(this.#assets.getRawAsset(`code/${name}`));
    } catch {
      // Loaded by none of the runs that the build compiled for.
      return null;
    }
  }

  keep(): void {
    // The executable stays as it was checked.
  }

  /** Takes away what was unpacked for this run alone. */
  removeTemporary(): void {
    if (this.#temporary !== null) rmSync(this.#temporary, { recursive: true, force: true });
  }

  /** Where nothing can be written there is no history to be opened either, and who opens one is told so. */
  #unpackForThisRun(file: string, bytes: Uint8Array): string {
    try {
      this.#temporary = mkdtempSync(path.join(tmpdir(), 'cllm-'));
      mkdirSync(path.join(this.#temporary, path.dirname(file)), 0o700);
      writeFileSync(path.join(this.#temporary, file), bytes, { mode: 0o600, flag: 'wx' });
      return this.#temporary;
    } catch {
      return path.parse(tmpdir()).root;
    }
  }
}
