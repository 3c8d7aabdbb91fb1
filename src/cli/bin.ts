#!/usr/bin/env node
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { ChunkLoader } from './loader/chunk-loader.ts';
import type * as Start from './start.ts';
import { version } from './version.ts';

/** The chunk that holds `start.ts`, put in by the build. */
declare const __START_CHUNK__: string;

async function run(start: typeof Start.start, loader: ChunkLoader, cwd: string): Promise<void> {
  process.exitCode = await start(argv, cwd);
  loader.keep();
}

/**
 * A deleted one has no name any more; what the shell called it is as good as any for saying that it is gone. Libraries
 * ask for it as they load, and then there has to be one.
 */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    process.chdir('/');
    const { PWD: named = '' } = process.env;
    return path.isAbsolute(named) ? named : '/';
  }
}

const argv = process.argv.slice(2);
if (argv.length === 1 && argv[0] === '--version') {
  process.stdout.write(`${version}\n`);
} else {
  // Node 20 optimises undici's WASM parser in the background and waits for that, about 180 ms, before it ends.
  if (process.versions.node.startsWith('20.')) setFlagsFromString('--liftoff-only');
  const cwd = workingDirectory();
  const loader = new ChunkLoader(path.join(__dirname, 'chunks'), {
    env: process.env,
    cwd,
    uid: process.getuid?.() ?? null,
  });
  const { start } = loader.load(__START_CHUNK__) as typeof Start;
  void run(start, loader, cwd);
}
