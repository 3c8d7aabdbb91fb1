import { describe, expect, test } from '@jest/globals';
import { replySchema } from '../../../src/cli/asking/reply-schema.ts';
import type { Verdict } from '../../../src/outcome/exits.ts';
import type { ChatCompletion } from '../../../src/protocol/types.ts';

const completion = (content: string | null): ChatCompletion => ({
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
  usage: null,
});

const schema = (text: unknown) => replySchema(JSON.stringify(text), 'schema.json');
const reply = (content: string | null, verdict: Verdict = 'complete') => ({ completion: completion(content), verdict });

const slow = `${'a'.repeat(60)}!`;

describe('a reply', () => {
  const list = {
    $defs: { item: { type: 'object', required: ['n'], properties: { n: { type: 'integer', minimum: 1 } } } },
    type: 'array',
    prefixItems: [{ $ref: '#/$defs/item' }],
    items: false,
  };

  test.each<[string, unknown, string, string | null]>([
    ['that matches', list, '[{"n":1}]', null],
    ['with white space around it', list, '\n [{"n":1}] ', null],
    ['that is wrong deep inside', list, '[{"n":0}]', 'at /0/n: must be >= 1 (minimum), and there stood 0'],
    [
      'that is too long',
      list,
      '[{"n":1},2]',
      'at the root: must NOT have more than 1 items (items), and there stood [{"n":1},2]',
    ],
    ['in a code fence', list, '```json\n[]\n```', null],
    ['that is empty', list, '', 'it is no JSON'],
    [
      'whose path has a slash in it',
      { properties: { 'a/b': { type: 'null' } } },
      '{"a/b":1}',
      'at /a~1b: must be null (type), and there stood 1',
    ],
  ])('%s', (_name, against, content, reason) => {
    const mismatch = schema(against).take(reply(content), true).error;
    expect(mismatch?.message ?? null).toBe(reason && `the reply does not match schema.json: ${reason}`);
  });

  test.each<[string, unknown]>([
    ['a pattern', { type: 'string', pattern: '^(a+)+$' }],
    ['the name of a property', { patternProperties: { '^(a+)+$': { type: 'number' } } }],
  ])('whose check would not end within years, by %s, is given up', (_name, against) => {
    const text = JSON.stringify(against !== null && 'pattern' in (against as object) ? slow : { [slow]: 1 });
    const mismatch = schema(against).take(reply(text), true).error;
    expect(mismatch?.message).toContain('the check was given up, it took longer than 2 s');
    expect(mismatch?.message).not.toContain('aaaa');
  });

  test.each<[string, unknown, string, string | null]>([
    [
      'lacks a name that every object answers to',
      { required: ['toString'] },
      '{}',
      "must have required property 'toString'",
    ],
    [
      'lacks a constructor',
      { properties: { constructor: { type: 'integer' } }, required: ['constructor'] },
      '{}',
      "must have required property 'constructor'",
    ],
    ['lacks __proto__', { required: ['__proto__'] }, '{}', "must have required property '__proto__'"],
    ['has it', { required: ['__proto__'] }, '{"__proto__":1}', null],
    ['leaves out a field of such a name', { properties: { toString: { type: 'integer' } } }, '{}', null],
    [
      'has one dependent on it',
      { dependentRequired: { a: ['valueOf'] } },
      '{"a":1}',
      'must have property valueOf when property a is present',
    ],
    ['is an amount in cents', { type: 'number', multipleOf: 0.01 }, '19.99', null],
    ['is an amount of less than a cent', { type: 'number', multipleOf: 0.01 }, '19.999', 'must be multiple of 0.01'],
  ])('that %s', (_name, against, content, reason) => {
    const { error } = schema(against).take(reply(content), true);
    const said = error?.message.replace(/ \(\w+\), and there stood .*/, '') ?? null;
    expect(said).toBe(reason && `the reply does not match schema.json: at the root: ${reason}`);
  });

  test.each<[string, unknown, string]>([
    [
      'a reply that is nested deeper than the stack',
      { type: 'array', items: { $ref: '#' } },
      '['.repeat(50_000) + ']'.repeat(50_000),
    ],
    ['a schema that is itself and nothing else', { $ref: '#' }, '1'],
  ])('whose check finds no end, by %s, does not match', (_name, against, content) => {
    const { error } = schema(against).take(reply(content), true);
    expect(error?.code).toBe('schema_mismatch');
    // What is nested so deep is taken for no JSON by whoever reads any of ours.
    expect(error?.message).toMatch(
      /it is no JSON|the check was given up, the reply is nested too deeply, or the schema refers/,
    );
  });

  test('that made no text at all does not match', () => {
    expect(schema({}).take(reply(null), true).error?.code).toBe('schema_mismatch');
  });

  test.each<[Verdict, boolean]>([
    ['complete', true],
    ['length', true],
    ['cut', false],
    ['error', false],
    ['content_filter', false],
    ['empty', false],
    ['interrupted', false],
    ['timed_out', false],
  ])('with the verdict %s is judged: %s', (verdict, isJudged) => {
    expect(schema({}).take(reply('{', verdict), true).error !== null).toBe(isJudged);
  });

  test('is quoted as far as a line has room for it', () => {
    const { error } = schema({ const: 'a' }).take(reply(JSON.stringify('x'.repeat(100_000))), true);
    expect(error?.message.length).toBeLessThan(200);
    expect(error?.message).toContain('there stood "xxx');
  });
});

test.each([
  [undefined, 'reply'],
  ['Answer', 'Answer'],
  ['An answer: “so”', 'An_answer_so_'],
  ['x'.repeat(100), 'x'.repeat(64)],
])('the title %j becomes a name that OpenAI takes', (title, name) => {
  expect(schema({ title }).responseFormat).toMatchObject({ json_schema: { name } });
});

test.each([
  '{oops',
  '1',
  '[]',
  'null',
  '{"type":"thing"}',
  '{"$ref":"other.json"}',
  '{"$async":true}',
  '{"properties":{"__proto__":{"type":"string"}}}',
  '{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}',
  '{"items":'.repeat(5_000) + '{}' + '}'.repeat(5_000),
])('a schema that is none is a mistake: %s', (text) => {
  expect(() => replySchema(text, 'schema.json')).toThrow(expect.objectContaining({ code: 'schema_invalid' }));
});

describe('a schema of a draft', () => {
  const of = (draft: string, rest: object) => replySchema(JSON.stringify({ $schema: draft, ...rest }), 'schema.json');

  test.each<[string, string, object, string, string | null]>([
    [
      '07, as zod writes it',
      'http://json-schema.org/draft-07/schema#',
      { items: [{ type: 'integer' }] },
      '["x"]',
      'at /0: must be integer',
    ],
    [
      '07, whose prefixItems mean nothing',
      'http://json-schema.org/draft-07/schema',
      { prefixItems: [{ type: 'integer' }] },
      '["x"]',
      null,
    ],
    [
      '2019-09',
      'https://json-schema.org/draft/2019-09/schema',
      { $recursiveAnchor: true, properties: { a: { $recursiveRef: '#' } }, type: 'object' },
      '{"a":1}',
      'at /a: must be object',
    ],
    [
      '2020-12',
      'https://json-schema.org/draft/2020-12/schema',
      { prefixItems: [{ type: 'integer' }] },
      '["x"]',
      'at /0: must be integer',
    ],
  ])('%s is judged by its rules', (_name, draft, rest, content, reason) => {
    const { error } = of(draft, rest).take(reply(content), true);
    const said = error?.message.replace(/ \(\w+\), and there stood .*/, '') ?? null;
    expect(said).toBe(reason && `the reply does not match schema.json: ${reason}`);
  });

  test.each(['http://json-schema.org/draft-04/schema#', 'https://example.com/schema', 'x'])(
    '%s is not known',
    (draft) => {
      expect(() => of(draft, {})).toThrow(
        expect.objectContaining({
          code: 'schema_invalid',
          message: expect.stringContaining('2019-09'),
        }),
      );
    },
  );
});

test('strict is asked for where a provider takes it, and nowhere else', () => {
  const closed = {
    type: 'object',
    properties: { a: { type: 'string' } },
    required: ['a'],
    additionalProperties: false,
  };
  expect(schema(closed).responseFormat).toEqual({
    type: 'json_schema',
    json_schema: { name: 'reply', schema: closed, strict: true },
  });
  const open = { ...closed, additionalProperties: undefined };
  expect(schema(open).responseFormat['json_schema']).not.toHaveProperty('strict');
  expect(schema(open).strictProblem).toEqual({
    at: '',
    why: 'the object does not say "additionalProperties": false',
  });
});
