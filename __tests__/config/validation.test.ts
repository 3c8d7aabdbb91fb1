import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CllmError } from '../../src/outcome/errors.ts';
import { settingNames, validateSettings } from '../../src/config/validation.ts';
import { seed } from '../support/seed.ts';

/** Objects under the names that matter, with any value, so that every reader is met. */
const settings = fc.dictionary(
  fc.oneof(fc.constantFrom(...settingNames), fc.string()),
  fc.oneof(
    fc.anything({ withDate: true, withBigInt: true, withMap: true, withNullPrototype: true }),
    fc.dictionary(fc.oneof(fc.constantFrom(...settingNames, 'idle'), fc.string()), fc.anything()),
  ),
);

describe(`validateSettings, seed ${seed}`, () => {
  test('gives values or an error of the family for anything, and never changes what it was given', () => {
    fc.assert(
      fc.property(settings, (values) => {
        const before = Object.keys(values);
        try {
          const checked = validateSettings(values, 'cllm.yaml');
          expect(settingNames).toEqual(expect.arrayContaining(Object.keys(checked)));
          // What was accepted once is accepted again, and means the same.
          expect(validateSettings(checked, 'cllm.yaml')).toEqual(checked);
        } catch (error) {
          if (!(error instanceof CllmError)) throw error;
        }
        expect(Object.keys(values)).toEqual(before);
      }),
      { seed, numRuns: 2000 },
    );
  });

  test('quotes no system prompt and nothing that looks like a key', () => {
    const canary = 'sk-canary1234567890';
    fc.assert(
      fc.property(
        fc.constantFrom(...settingNames),
        fc.constantFrom([canary], { [canary]: 1 }, canary),
        (name, value) => {
          let message = '';
          try {
            validateSettings({ [name]: name === 'system' && value === canary ? { canary } : value }, 'cllm.yaml');
          } catch (error) {
            const { message: text, hint } = error as CllmError;
            message = `${text} ${hint}`;
          }
          expect(message).not.toContain('canary');
        },
      ),
      { seed },
    );
  });
});
