import path from 'node:path';
import type { CodeSource } from './code-loader.ts';

/** The assets of a single executable: `node:sea`, whose bytes are not copied and may not be written to. */
export interface Assets {
  /** @throws Error when there is none of that name */
  getRawAsset(name: string): ArrayBuffer;
}

/** The parts inside a single executable, with the code that the same Node compiled of them. No file lies beside it. */
export class EmbeddedCode implements CodeSource {
  readonly directory: string;
  readonly #assets: Assets;

  constructor(assets: Assets, executable: string) {
    this.#assets = assets;
    this.directory = path.parse(executable).root;
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
}
