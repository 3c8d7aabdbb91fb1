import { expect, test } from '@jest/globals';
import { safeText } from '../../src/client/safe-text.ts';

test.each([[['abcdefgh', 'abcdefgh-TAIL']], [['abcdefgh-TAIL', 'abcdefgh']]])(
  'of a key that begins with another nothing is left, given as %j',
  (keys) => {
    expect(safeText('abcdefgh-TAIL is not abcdefgh', { keys, prompts: [] })).toBe('**** is not ****');
  },
);
