import { runCommand } from './command.ts';
import type { Machine } from './machine.ts';

/** Newest first among the names that say their version, but the machine's own choice before all of them. */
const candidates = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python'];

const describe = 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2], sys.executable)';

/** LiteLLM runs on Python 3.10 to 3.14. */
function isSupported(version: string): boolean {
  const [major, minor] = version.split('.').map(Number);
  return major === 3 && minor !== undefined && minor >= 10 && minor < 15;
}

/**
 * The path of a Python that can hold LiteLLM: 3.10 to 3.14, with the modules that make a virtual environment (Debian
 * packs those apart, and a version manager's stand-in may answer for a version that is not there: so each one is asked).
 * Null when there is none.
 */
export async function findPython(machine: Machine, abort?: AbortSignal): Promise<string | null> {
  for (const candidate of candidates) {
    const { exitCode, output } = await runCommand(machine, candidate, ['-c', describe], {
      timeoutMs: 20_000,
      signal: abort,
    });
    const match = /^(\d+\.\d+) (.+)$/m.exec(output);
    if (exitCode === 0 && match !== null && isSupported(match[1] ?? '')) return match[2] ?? null;
  }
  return null;
}
