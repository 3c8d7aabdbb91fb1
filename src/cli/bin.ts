#!/usr/bin/env node
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { ChunkLoader } from './chunk-loader.ts';
import type * as Start from './start.ts';
import { version } from './version.ts';

/** The chunk that holds `start.ts`, put in by the build. */
declare const __START_CHUNK__: string;

async function run(start: typeof Start.start, loader: ChunkLoader): Promise<void> {
  process.exitCode = await start(argv);
  loader.keep();
}

/** One that was removed meanwhile has no name; what needs one says so. */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return '/';
  }
}

const argv = process.argv.slice(2);
if (argv.length === 1 && argv[0] === '--version') {
  process.stdout.write(`${version}\n`);
} else {
  // Node 20 optimises undici's WASM parser in the background and waits for that, about 180 ms, before it ends.
  if (process.versions.node.startsWith('20.')) setFlagsFromString('--liftoff-only');
  const loader = new ChunkLoader(path.join(__dirname, 'chunks'), {
    env: process.env,
    cwd: workingDirectory(),
    uid: process.getuid?.() ?? null,
  });
  const { start } = loader.load(__START_CHUNK__) as typeof Start;
  void run(start, loader);
}
