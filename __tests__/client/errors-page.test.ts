import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { CllmError, DeadlineError, InterruptedError, errorCodes } from '../../src/outcome/errors.ts';
import { nextStep } from '../../src/outcome/error-table.ts';
import { exitCodeOf } from '../../src/outcome/exits.ts';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
const rows = [...page.matchAll(/^\| `(\w+)` \| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)];

describe('docs/errors.md', () => {
  test('lists every code once, and no other', () => {
    expect(new Set(rows.map(([, code]) => code))).toEqual(new Set(errorCodes));
    expect(rows).toHaveLength(errorCodes.length);
  });

  test.each(errorCodes.map((code) => ({ code })))('says the exit code of $code', ({ code }) => {
    const error = code === 'interrupted' ? new InterruptedError() : new CllmError(code, 'x');
    expect(rows.find((row) => row[1] === code)?.[2]).toBe(String(exitCodeOf(error)));
  });

  test.each(errorCodes.map((code) => ({ code })))('says what to do about $code, as the command does', ({ code }) => {
    expect(rows.find((row) => row[1] === code)?.[5]).toBe(nextStep(new CllmError(code, 'x')));
  });

  test('hints have one voice: they begin small and end without a full stop', () => {
    for (const code of errorCodes) {
      const hint = nextStep(new CllmError(code, 'x'));
      expect(hint).toMatch(/^[`a-z-]/);
      expect(hint).not.toMatch(/[.!]$|\. [A-Z]/);
    }
  });

  test('is right about signals and deadlines', () => {
    expect(
      (['SIGHUP', 'SIGINT', 'SIGTERM'] as const).map((signal) => exitCodeOf(new InterruptedError(signal))),
    ).toEqual([129, 130, 143]);
    expect(new DeadlineError('first-token', 'x').code).toBe('first_token_timeout');
  });
});
