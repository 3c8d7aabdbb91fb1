import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';

/** Schemas that are made of several files. */
let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
  mkdirSync(home.at('schemas', 'parts'), { recursive: true });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

const write = (name: string, schema: unknown): void =>
  writeFileSync(home.at('schemas', name), typeof schema === 'string' ? schema : JSON.stringify(schema));
const ask = (...more: string[]) => home.run(['--output-schema', 'schemas/order.json', ...more, 'hi']);
const object = (properties: Record<string, unknown>): Record<string, unknown> => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

describe('a schema of several files', () => {
  beforeEach(() => {
    write('order.json', {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: 'https://example.com/order.json',
      ...object({
        to: { $ref: 'parts/address.json' },
        lines: { type: 'array', items: { $ref: './parts/line.json#/$defs/line' } },
      }),
    });
    write('parts/address.json', {
      $id: 'https://example.com/a.json',
      ...object({ city: { type: 'string' }, next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } }),
    });
    // Back to the first one, and to one beside it.
    write('parts/line.json', {
      $defs: {
        line: object({ count: { $ref: 'count.json#' }, of: { anyOf: [{ $ref: '../order.json' }, { type: 'null' }] } }),
      },
    });
    write('parts/count.json', { type: 'integer', minimum: 1, default: { $ref: 'not-one.json' } });
  });

  test('goes out as one document, and is checked as one', async () => {
    const fits = { to: { city: 'Ulm', next: { city: 'Bern', next: null } }, lines: [{ count: 2, of: null }] };
    upstream.reply(textReply(JSON.stringify(fits)));
    expect(await ask()).toMatchObject({ code: 0, stdout: `${JSON.stringify(fits)}\n` });
    const sent = JSON.stringify(upstream.chatRequests.at(-1)?.body['response_format']);
    expect(sent).toContain('"$ref":"#/$defs/parts_address"');
    expect(sent).not.toMatch(/"\$ref":"(?!#)(?!not-one)/);
    for (const [wrong, where] of [
      [{ ...fits, lines: [{ count: 0, of: null }] }, '/lines/0/count: must be >= 1'],
      [{ ...fits, to: { city: 'Ulm', next: { city: 3, next: null } } }, '/to/next'],
      [{ ...fits, lines: [{ count: 1, of: { to: 1 } }] }, '/lines/0/of'],
    ] as const) {
      upstream.reply(textReply(JSON.stringify(wrong)));
      const { code, stderr } = await ask();
      expect({ code, stderr }).toEqual({ code: 9, stderr: expect.stringContaining(where) });
    }
  });

  test('may refer to itself without other files', async () => {
    write('order.json', object({ value: { type: 'integer' }, rest: { anyOf: [{ $ref: '#' }, { type: 'null' }] } }));
    upstream.reply(
      textReply('{"value":1,"rest":{"value":2,"rest":null}}'),
      textReply('{"value":1,"rest":{"value":"x","rest":null}}'),
    );
    expect(await ask()).toMatchObject({ code: 0 });
    expect(await ask()).toMatchObject({ code: 9 });
  });
});

test.each<[string, string, string]>([
  ['an address', 'https://example.com/x.json', 'which is not fetched'],
  ['one of another kind', 'urn:x:y', 'which is not fetched'],
  ['a file above', '../secret.json', 'not in the folder of the schema'],
  ['a file above by codes', '%2e%2e/secret.json', 'not in the folder of the schema'],
  ['a whole path', '/etc/passwd', 'not in the folder of the schema'],
  ['a link that leads out', 'link.json', 'a link that leads out of the folder'],
  ['what is not there', 'gone.json', 'gone.json'],
  ['what is no JSON', 'words.json', 'which is not JSON'],
  ['what is nested too deeply', 'deep.json', 'which is not JSON'],
  ['what is no object', 'list.json', 'which is no JSON object'],
  ['a name in another file', 'parts/fine.json#name', 'only a JSON pointer is followed'],
])('a reference to %s is exit 2, and nothing is asked', async (_name, reference, words) => {
  writeFileSync(home.at('secret.json'), '{"type":"object"}');
  symlinkSync(home.at('secret.json'), home.at('schemas', 'link.json'));
  write('words.json', 'words');
  write('list.json', []);
  writeFileSync(home.at('schemas', 'deep.json'), '{"not":'.repeat(3_000) + '{}' + '}'.repeat(3_000));
  write('parts/fine.json', {});
  write('order.json', object({ a: { $ref: reference } }));
  const { code, stdout, stderr } = await ask();
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(words);
  expect(upstream.requests).toEqual([]);
});

test('a schema that is nested too deeply is exit 2, without a stack trace', async () => {
  const deep = `${'{"$ref":"#","not":'.repeat(3_000)}{"$ref":"parts/x.json"}${'}'.repeat(3_000)}`;
  writeFileSync(home.at('schemas', 'order.json'), deep);
  const { code, stderr } = await ask();
  expect({ code, lines: stderr.trimEnd().split('\n').length }).toEqual({ code: 2, lines: 2 });
  expect(stderr).toContain('is nested too deeply');
});

test('an address that is in the document is no file', async () => {
  write('order.json', {
    ...object({ a: { $ref: 'https://example.com/n' } }),
    $defs: { n: { $id: 'https://example.com/n', type: 'integer' } },
  });
  upstream.reply(textReply('{"a":1}'), textReply('{"a":"x"}'));
  expect(await ask()).toMatchObject({ code: 0 });
  expect(await ask()).toMatchObject({ code: 9 });
});
