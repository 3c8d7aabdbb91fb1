#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { processIo } from './io.ts';
import { version } from './version.ts';

const argv = process.argv.slice(2);
if (argv.length === 1 && argv[0] === '--version') {
  process.stdout.write(`${version}\n`);
} else {
  // Node 20 optimises undici's WASM parser in the background and waits for that, about 180 ms, before it ends.
  if (process.versions.node.startsWith('20.')) setFlagsFromString('--liftoff-only');
  const { main } = await import('./main.ts');
  process.exitCode = await main(argv, processIo());
}
