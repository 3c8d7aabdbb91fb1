import { spawn } from 'node:child_process';
import { installerEnvironment } from './environment.ts';
import type { Machine } from './machine.ts';

export interface CommandResult {
  /** Null when the program is missing, could not be started or was stopped. */
  exitCode: number | null;
  /** What it wrote, stdout and stderr in order of arrival, the last 16 kB. */
  output: string;
}

export interface CommandOptions {
  /** Called for every line of output as it comes. */
  onLine?: (line: string) => void;
  /** Stops the program after so many milliseconds. */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
}

const keptOutput = 16_384;

/**
 * Runs a program to its end, without a shell, a standard input or the keys of the environment. Never rejects: a missing
 * program is a result.
 */
export function runCommand(
  machine: Machine,
  program: string,
  programArguments: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    let output = '';
    let openLine = '';
    const child = spawn(program, programArguments, {
      env: installerEnvironment(machine.environment),
      stdio: ['ignore', 'pipe', 'pipe'],
      killSignal: 'SIGKILL',
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    // Not spawn's own timeout: its timer goes on, and keeps us alive, when the program is missing.
    const timer =
      options.timeoutMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), options.timeoutMs);
    const settle = (exitCode: number | null): void => {
      clearTimeout(timer);
      resolve({ exitCode, output });
    };
    const collect = (text: string): void => {
      output = (output + text).slice(-keptOutput);
      const lines = (openLine + text).split(/\r\n|\n|\r/);
      openLine = lines.pop() ?? '';
      for (const line of lines) options.onLine?.(line);
    };
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    child.on('error', () => {
      // The program was not found, or the signal stopped it; 'close' comes after the second only.
      if (child.pid === undefined) settle(null);
    });
    child.on('close', settle);
  });
}
