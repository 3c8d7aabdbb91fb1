import { EventEmitter } from 'node:events';
import { expect, test } from '@jest/globals';
import { launch } from '../../../src/cli/loader/launch.ts';

/** A process that runs one part: its `start` is the text given. */
function launched(
  start: string,
  node = '24.0.0',
  emitWarning: (warning: unknown) => void = () => {},
): { host: EventEmitter & { exitCode?: number }; errors: string[] } {
  Object.assign(globalThis, { __START_CHUNK__: 'start', __BUILD_ID__: 'build', __VERSION__: '0.0.0', __PACKS__: {} });
  const errors: string[] = [];
  const host = Object.assign(new EventEmitter(), {
    argv: ['node', 'cllm', 'hi'],
    versions: { node },
    emitWarning,
    env: {},
    cwd: () => '/',
    stderr: { write: (text: string) => errors.push(text) },
  });
  launch(host as unknown as NodeJS.Process, () => ({
    directory: '/',
    text: () => `exports.start = ${start};`,
    code: () => null,
    keep: () => {},
  }));
  return { host, errors };
}

test('the code of the command is that of the process', async () => {
  const { host, errors } = launched('async () => 8');
  await new Promise((resolve) => setImmediate(resolve));
  host.emit('beforeExit');
  expect({ code: host.exitCode, errors }).toEqual({ code: 8, errors: [] });
});

test('a command that waits for what never comes has failed, and says so', async () => {
  const { host, errors } = launched('() => new Promise(() => {})');
  await new Promise((resolve) => setImmediate(resolve));
  host.emit('beforeExit');
  expect(host.exitCode).toBe(1);
  expect(errors.join('')).toMatch(/^cllm: internal error: .*\n {2}this is a bug in cllm/);
});

test('Node 22 is not heard on its SQLite, and on all else it is', async () => {
  const heard: unknown[] = [];
  const { host } = launched('async () => 0', '22.23.3', (warning) => heard.push(warning));
  const proc = host as unknown as NodeJS.Process;
  proc.emitWarning('SQLite is an experimental feature and might change at any time', 'ExperimentalWarning');
  proc.emitWarning('Something else', 'Warning');
  await new Promise((resolve) => setImmediate(resolve));
  expect(heard).toEqual(['Something else']);
});
