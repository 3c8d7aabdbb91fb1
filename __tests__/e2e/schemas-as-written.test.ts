import { copyFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';
import { refuseAsStrictMode } from '../support/strict-mode.ts';

/** Schemas as zod, pydantic and schemastore have them, against a provider that refuses as OpenAI's strict mode does. */
let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

async function ask(schema: string, reply: unknown) {
  copyFileSync(`__tests__/fixtures/schemas-as-written/${schema}.json`, home.at('schema.json'));
  upstream.fallback = textReply(JSON.stringify(reply));
  refuseAsStrictMode(upstream);
  const { code, stdout, stderr } = await home.run(['--output-schema', 'schema.json', '-q', 'go']);
  const format = upstream.chatRequests.at(-1)?.body['response_format'] as
    | { json_schema: { strict?: true } }
    | undefined;
  return { code, stdout, stderr, isStrict: format?.json_schema.strict === true };
}

const tree = { name: 'a', children: [{ name: 'b', children: [] }] };
const place = { file: 'a.ts', line: null };
const review = {
  id: '3f0c1f6e-8a52-4f0e-9d5b-0d5f5d0c6f11',
  at: '2026-11-27T08:00:00Z',
  score: 7.5,
  findings: [{ severity: 'high', place, what: { type: 'change', before: 'a', after: 'b' } }],
};
const risk = { dt: 1, coord: [1.5, 2], weather: { temp: 280 }, alerts: [] };

test.each<[string, boolean, unknown, unknown, string]>([
  [
    'zod-4.6.7-strict',
    true,
    { title: 'T', status: 'open', due: null, steps: [{ text: 'x', minutes: 5 }], tree },
    { title: 'T', status: 'open', due: null, steps: [{ text: 'x', minutes: -1 }], tree },
    'at /steps/0/minutes: must be >= 0',
  ],
  [
    'zod-4.6.7-union',
    false,
    { mail: 'a@b.example', tags: { x: 'y' }, pair: ['a', 1], what: { type: 'b', s: 'x' } },
    { mail: 'a@b.example', tags: { x: 'y' }, pair: ['a'], what: { type: 'b', s: 'x' } },
    'at /pair: must NOT have fewer than 2 items',
  ],
  ['pydantic-2.14.4-strict', true, review, { ...review, score: 11 }, 'at /score: must be <= 10'],
  [
    'pydantic-2.14.4-described',
    false,
    { severity: 'low', place, kind: { type: 'comment', text: 'x' } },
    { severity: 'none', place, kind: { type: 'comment', text: 'x' } },
    'at /severity: must be equal to one of the allowed values',
  ],
  ['schemastore/openweather.roadrisk', false, { value: [risk] }, [{ ...risk, dt: 'now' }], 'at /0/dt: must be integer'],
  ['schemastore/jsone', false, { $eval: 'x', others: [{ $eval: 'y' }] }, { $eval: 1 }, 'at /$eval: must be string'],
  [
    'schemastore/chart-lock',
    false,
    { generated: 'now', digest: 'x', dependencies: [] },
    { generated: 'now', digest: 'x' },
    "must have required property 'dependencies'",
  ],
  [
    'schemastore/bungee-plugin',
    false,
    { name: 'a', main: 'a.B' },
    { name: 'a b', main: 'a.B' },
    'at /name: must match',
  ],
])('%s', async (schema, isStrict, fits, fails, where) => {
  const good = await ask(schema, fits);
  expect(good).toMatchObject({ code: 0, isStrict });
  const value = schema.includes('roadrisk') ? (fits as { value: unknown }).value : fits;
  expect(JSON.parse(good.stdout)).toEqual(value);
  const bad = await ask(schema, fails);
  expect(bad).toMatchObject({ code: 9, isStrict, stderr: expect.stringContaining(where) });
});

test('one of a draft that is not known is refused before anything is sent', async () => {
  expect(await ask('schemastore/vsconfig', { components: [] })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('names a $schema that is not known here: draft-07, 2019-09 and 2020-12 are'),
  });
  expect(upstream.chatRequests).toEqual([]);
});
