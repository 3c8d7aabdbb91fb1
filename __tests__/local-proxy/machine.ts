import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from '../../src/local-proxy/machine.ts';

/** A machine whose PATH holds only the programs that a test puts there, as shell or node scripts. */
export class FakeMachine implements Machine {
  readonly environment: Record<string, string>;
  readonly platform: string = 'linux';
  readonly uid = process.getuid?.() ?? null;
  readonly processId = process.pid;
  readonly #programs: string;

  constructor(directory: string) {
    this.#programs = join(directory, 'path');
    mkdirSync(this.#programs);
    this.environment = { PATH: this.#programs, HOME: directory, XDG_PROGRAMS: this.#programs };
    // What the scripts themselves need, and nothing else of the real machine.
    for (const tool of ['mkdir', 'cat', 'chmod', 'sleep', 'ps']) {
      this.program(tool, `PATH=/usr/bin:/bin exec ${tool} "$@"`);
    }
  }

  kill(processId: number, signal: NodeJS.Signals | 0): void {
    process.kill(processId, signal);
  }

  /** Puts a shell script on the PATH that also notes how it was called. */
  program(name: string, script: string): void {
    const file = join(this.#programs, name);
    writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> "${this.#programs}/../calls"\n${script}\n`);
    chmodSync(file, 0o755);
  }

  /** The calls so far of the programs with these names, in order. */
  calls(...names: string[]): string[] {
    const file = join(this.#programs, '..', 'calls');
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
    return lines.filter((line) => names.includes(line.split(' ')[0] ?? ''));
  }
}

/** A Python that says it is of a version, and makes environments whose own Python "installs" LiteLLM. */
export function fakePython(version: string): string {
  return `
case "$1 $2" in
  "-c "*) echo "${version} $XDG_PROGRAMS/python3" ;;
  "-m venv")
    mkdir -p "$3/bin"
    cat > "$3/bin/python" <<'END'
#!/bin/sh
echo "pip $*" >> "$XDG_PROGRAMS/../calls"
echo "Collecting litellm"
if [ -e "$XDG_PROGRAMS/../no-network" ]; then echo "ERROR: Could not find a version"; exit 1; fi
bin="\${0%/python}"
echo 'exit 0' > "$bin/litellm"
chmod +x "$bin/litellm"
END
    chmod +x "$3/bin/python" ;;
esac`;
}
