import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import { isAgreed } from '../../../src/cli/input/question.ts';
import { memoryIo } from '../../support/memory-io.ts';

test('a question can not drive the terminal that it is asked on', async () => {
  const io = memoryIo({ stdin: { kind: 'terminal' }, isTTY: true });
  const [keyboard, screen] = [new PassThrough(), new PassThrough()];
  Object.assign(io.stdin, { stream: () => keyboard });
  Object.assign(io.stderr, { stream: () => screen });
  const agreed = isAgreed('delete \u001b[2Jtitle\nof two lines?', false, io);
  keyboard.write('y\n');
  expect(await agreed).toBe(true);
  expect(String(screen.read())).toContain('delete \\x1b[2Jtitle of two lines? [y/N] ');
});
