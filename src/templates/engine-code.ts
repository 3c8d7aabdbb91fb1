import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** The WebAssembly of minijinja. The build puts the bytes in this file's place: the command has no package beside it. */
export const engineCode: Uint8Array = readFileSync(
  createRequire(import.meta.url).resolve('minijinja-js/dist/web/minijinja_js_bg.wasm'),
);
