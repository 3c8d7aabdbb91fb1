import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './command.mjs';

const packages = { openai: '6.49.0', ai: '6.0.326', '@ai-sdk/openai-compatible': '2.0.91' };

/** Installs the peers that come from the npm registry beside the project, never into it. */
export function installPeers() {
  const folder = path.join(root, 'node_modules/.cache/bench-peers');
  mkdirSync(folder, { recursive: true });
  if (!existsSync(path.join(folder, 'node_modules/openai'))) {
    writeFileSync(
      path.join(folder, 'package.json'),
      JSON.stringify({ private: true, type: 'module', dependencies: packages }),
    );
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  const script = (name) => {
    copyFileSync(path.join(root, `bench/peers/${name}.mjs`), path.join(folder, `${name}.mjs`));
    return path.join(folder, `${name}.mjs`);
  };
  return { packages, openai: script('openai-node'), ai: script('ai-sdk') };
}

/** Where a command is, or null. */
export function found(command) {
  try {
    return execFileSync('which', [command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
}
