import { describe, expect, test } from '@jest/globals';
import { parseYaml } from '../../src/config/yaml-text.ts';

const size = 256 * 1024;
const filled = (prefix: string, seed: string, length = size): string =>
  (prefix + seed.repeat(Math.ceil(length / seed.length))).slice(0, length);

function codeOf(action: () => unknown): string | null {
  try {
    action();
    return null;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

describe('a text that is work', () => {
  const prefixes = ['', 'a: ', 'a: "', "a: '", 'a: |\n ', 'a: >-\n ', 'a: [', 'a: {', '- '];
  const seeds = [
    'a',
    '\n',
    '- ',
    '-\n',
    'a: ',
    'a:\n',
    '[',
    '{',
    ']',
    '[]',
    '{}',
    '[,',
    '"',
    "'",
    '>\n',
    '|\n a\n',
    '&a ',
    '*a ',
    '%a\n',
    'a: [\n',
    '\t\n',
    ' \n',
    '"a" ',
  ];

  test.each(prefixes)('is read or refused at once, whatever is repeated after %j', (prefix) => {
    for (const seed of seeds) {
      const startedAt = performance.now();
      const code = codeOf(() => parseYaml(filled(prefix, seed), 'cllm.yaml'));
      expect([null, 'config_invalid']).toContain(code);
      // Some of these took 18 s; the limit is far above what a busy machine needs.
      expect({ prefix, seed, isQuick: performance.now() - startedAt < 6_000 }).toEqual({ prefix, seed, isQuick: true });
    }
  });

  test.each<[string, string]>([
    ['longer than settings are', 'a'.repeat(size + 1)],
    [
      '50,000 names',
      Array.from({ length: 50_000 }, (_, at) => `k${at}: 1`)
        .join('\n')
        .slice(0, size),
    ],
    ['20,000 lines', 'a: |\n'.padEnd(20_000, '\n')],
    ['200 aliases', `a: &a 1\nb: [${Array.from({ length: 200 }, () => '*a').join(', ')}]`],
    ['150 levels', `${'['.repeat(150)}${']'.repeat(150)}`],
  ])('is refused: %s', (_name, text) => {
    expect(() => parseYaml(text, 'cllm.yaml')).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  });
});

test.each([
  ['a: 1\nb: 2\na: 3\n', '3:1'],
  ['x: {a: 1, "a": 2}\n', '1:11'],
  ['x:\n  - {1: a, 1: b}\n', '2:12'],
])('a name that is there twice is named with its place: %j', (text, place) => {
  expect(() => parseYaml(text, 'cllm.yaml')).toThrow(`cllm.yaml:${place}: no valid YAML (duplicate key)`);
});

test('a long system prompt and hundreds of settings are none', () => {
  const lines = Array.from({ length: 5_000 }, () => '  Be brief, and never say why.').join('\n');
  const aliases = Array.from({ length: 500 }, (_, at) => `  short-${at}: long/${at}`).join('\n');
  const read = parseYaml(`system: |\n${lines}\naliases:\n${aliases}\n`, 'cllm.yaml') as { aliases: object };
  expect(Object.keys(read.aliases)).toHaveLength(500);
});
