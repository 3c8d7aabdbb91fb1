import { describe, expect, test } from '@jest/globals';
import {
  CllmError,
  DeadlineError,
  type ErrorCode,
  errorCodes,
  InterruptedError,
  UsageError,
} from '../../src/outcome/errors.ts';
import { nextStep } from '../../src/outcome/error-table.ts';
import { decisive, exitCodeOf, exits, judgement } from '../../src/outcome/exits.ts';

const error = (code: ErrorCode): CllmError => new CllmError(code, code);
const signal = new InterruptedError('SIGTERM');
const closedPipe = new InterruptedError(null);
const deadline = new DeadlineError('idle', 'idle');

describe('the exit code of', () => {
  test.each<[string, CllmError | null, number]>([
    ['success', null, 0],
    ['a closed pipe', closedPipe, 0],
    ['SIGHUP', new InterruptedError('SIGHUP'), 129],
    ['SIGINT', new InterruptedError('SIGINT'), 130],
    ['SIGTERM', signal, 143],
    ['a deadline', deadline, 124],
    ['a mistake', new UsageError('no'), 2],
  ])('%s', (_name, thrown, code) => {
    expect(exitCodeOf(thrown)).toBe(code);
  });

  test('every error is one of the table', () => {
    const codes = Object.values(exits).map(({ code }) => code);
    expect(errorCodes.filter((code) => !codes.includes(exitCodeOf(error(code))))).toEqual([]);
  });
});

test('the exit codes of the table are all different', () => {
  const codes = Object.values(exits).map(({ code }) => code);
  expect(new Set(codes).size).toBe(codes.length);
});

test('of several the first decides: signal, deadline, the error’s own, unsaved, schema, short, a closed pipe', () => {
  const order = [
    signal,
    deadline,
    error('stream_cut'),
    error('history_unsaved'),
    error('schema_mismatch'),
    error('reply_short'),
    closedPipe,
  ];
  for (let at = 0; at < order.length; at += 1) {
    const rest = order.slice(at);
    expect(decisive(rest)).toBe(order[at]);
    expect(decisive(rest.toReversed())).toBe(order[at]);
  }
  expect(decisive([])).toBeNull();
});

test('a reply cut by its length limit counts for nothing where that is allowed', () => {
  const [short, unsaved] = [error('reply_short'), error('history_unsaved')];
  expect(judgement([short, null], { isShortAllowed: true })).toEqual({ errors: [], decisive: null });
  expect(judgement([short, unsaved], { isShortAllowed: true })).toEqual({ errors: [unsaved], decisive: unsaved });
  expect(judgement([short, unsaved], { isShortAllowed: false })).toEqual({
    errors: [short, unsaved],
    decisive: unsaved,
  });
});

describe('the next step', () => {
  test.each(errorCodes)('of %s names a command, a flag, a variable or a thing to do', (code) => {
    expect(nextStep(error(code))).toMatch(/cllm [a-z]+|-{1,2}[a-z]|[A-Z]+_[A-Z]+|^(ask|change|free|try|shorten|go on)/);
  });

  test('is the error’s own, where it has one', () => {
    expect(nextStep(new CllmError('usage', 'no', { hint: 'do this' }))).toBe('do this');
  });
});
