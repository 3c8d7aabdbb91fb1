import { expect, test } from '@jest/globals';
import { nearestName } from '../../src/config/nearest-name.ts';
import { settingNames } from '../../src/config/validation.ts';

test.each([
  ['modle', 'model'],
  ['Model', 'model'],
  ['baseurl', 'base_url'],
  ['base-url', 'base_url'],
  ['timeout', 'timeouts'],
  ['tag', 'tags'],
  ['hsitory', 'history'],
  ['colour', null],
  ['', null],
  ['x'.repeat(100_000), null],
])('the setting nearest to %.20p is %p', (name, nearest) => {
  expect(nearestName(name, settingNames)).toBe(nearest);
});
