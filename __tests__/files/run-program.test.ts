import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type ProgramRun, runProgram } from '../../src/files/run-program.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const run = (argv: readonly string[], more: Partial<ProgramRun> = {}): ReturnType<typeof runProgram> =>
  runProgram({
    argv,
    cwd: directory(),
    env: { PATH: process.env['PATH'] },
    kill: (group, signal) => process.kill(group, signal),
    signal: new AbortController().signal,
    timeout: 60,
    output: { first: 4, last: 4 },
    errors: { first: 100 },
    ...more,
  });
const sh = (line: string, more: Partial<ProgramRun> = {}): ReturnType<typeof run> => run(['sh', '-c', line], more);

describe('a program that is run', () => {
  test.each([
    ['', '', '', false],
    ['1234', '1234', '', false],
    ['12345678', '12345678', '', false],
    ['123456789', '1234', '6789', true],
    ['1234xxxxxxxxxxxx6789', '1234', '6789', true],
  ])('keeps the first and the last bytes of its output: %j', async (written, text, rest, isCut) => {
    // In pieces, as they come from a program that writes slowly.
    const pieces = written.match(/.{1,3}/g) ?? [];
    const end = await run([
      process.execPath,
      '-e',
      `(async () => { for (const piece of ${JSON.stringify(pieces)}) { process.stdout.write(piece); await new Promise(setImmediate); } })()`,
    ]);
    expect(end).toMatchObject({ exitCode: 0, failure: null, output: { text, rest, isCut, length: written.length } });
  });

  test('keeps a character whole that its parts are kept of', async () => {
    expect((await sh('printf "abc\\303"; printf "\\244de"')).output).toMatchObject({ text: 'abcäde', rest: '' });
  });

  test.each([
    ['exit 3', 3, 'ended with exit code 3'],
    ['kill -TERM $$', null, 'was ended by SIGTERM'],
  ])('says how it ended: %s', async (line, exitCode, failure) => {
    expect(await sh(line)).toMatchObject({ exitCode, failure });
  });

  test('has nothing on its standard input, and says so when there is no such program', async () => {
    expect((await sh('cat; echo end')).output.text).toBe('end\n');
    expect(await run(['no-such-program'])).toMatchObject({ exitCode: null, failure: 'could not be started (ENOENT)' });
    expect((await run(['echo', 'x'.repeat(200_000)])).failure).toBe('could not be started (E2BIG)');
  });

  test('ends after its time with all that it started', async () => {
    const end = await sh('sleep 60 & echo $!; wait', { timeout: 0.3, output: { first: 100 } });
    expect(end).toMatchObject({ exitCode: null, failure: 'took longer than 0.3 s, and was ended' });
    expect(isRunning(Number(end.output.text))).toBe(false);
  });

  test('is not waited for by what left its group and holds its output open', async () => {
    const end = await sh('setsid sh -c "echo \\$\\$ > pid; exec sleep 60" & while [ ! -s pid ]; do :; done; echo x', {
      graceMs: 50,
    });
    const pid = Number(readFileSync(join(directory(), 'pid'), 'utf8'));
    expect(isRunning(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
    expect(end).toMatchObject({ exitCode: 0, output: { text: 'x\n' } });
  });

  test('is not started after a signal', async () => {
    const end = await sh('touch ran', { signal: AbortSignal.abort() });
    expect(end).toMatchObject({ exitCode: null, failure: 'was not started' });
    expect(existsSync(join(directory(), 'ran'))).toBe(false);
  });
});

/** A zombie, that nobody has collected yet, does not run. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
