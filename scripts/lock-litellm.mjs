// Writes src/local-proxy/locked-requirements.ts: every package that `cllm proxy up` installs, with its exact version and the
// hashes of its files. Run it when the pinned LiteLLM changes: node scripts/lock-litellm.mjs (wants uv on the PATH).
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const room = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'src/local-proxy');
const release = await readFile(path.join(room, 'release.ts'), 'utf8');
const pinned = (name) => new RegExp(`${name} = '([\\d.]+)'`).exec(release)[1];
const requirements = `litellm[proxy]==${pinned('litellmVersion')}\nprisma==${pinned('prismaVersion')}\n`;
const compiled = execFileSync(
  'uv',
  [
    'pip',
    'compile',
    '--quiet',
    '--universal',
    '--python-version',
    '3.10',
    '--generate-hashes',
    '--no-header',
    '--no-annotate',
    '-',
  ],
  { input: requirements, encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 },
);
// A package a line.
const lines = compiled
  .replaceAll(/\s*\\\n\s*/g, ' ')
  .split('\n')
  .filter((line) => line !== '' && !isForWindowsAlone(line));
await writeFile(
  path.join(room, 'locked-requirements.ts'),
  `/** Made by scripts/lock-litellm.mjs, for Python 3.10 to 3.14 on Linux and macOS. */\nexport const lockedRequirements = \`${lines.join('\n')}\n\`;\n`,
);

function isForWindowsAlone(line) {
  const marker = line.split(' --hash')[0].split(' ; ')[1] ?? '';
  return marker.endsWith("sys_platform == 'win32'") && !marker.includes(' or ');
}
