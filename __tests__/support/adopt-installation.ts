import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suiteDirectory } from './litellm-environment.ts';

/** Makes the suite's LiteLLM the one that `cllm proxy up` finds in a data directory, so that no test installs another. */
export function adoptInstallation(dataDirectory: string): void {
  const suite = suiteDirectory;
  const directory = join(dataDirectory, 'proxy');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const stamp = JSON.parse(readFileSync(join(suite, 'installed.json'), 'utf8')) as Record<string, unknown>;
  // Programs of a virtual environment name their own place, which stays where it is.
  if (stamp['method'] !== 'docker') symlinkSync(join(suite, 'venv'), join(directory, 'venv'));
  writeFileSync(join(directory, 'installed.json'), JSON.stringify({ ...stamp, directory }));
}
