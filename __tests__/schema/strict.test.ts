import { expect, test } from '@jest/globals';
import { strictProblem } from '../../src/schema/strict.ts';

const object = (properties: Record<string, unknown>, rest: object = {}): Record<string, unknown> => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...rest,
});
const text = { type: 'string' };
let deep: unknown = text;
for (let level = 0; level < 10; level += 1) deep = object({ a: deep });

test.each<[string, Record<string, unknown>]>([
  [
    'fields of every plain type',
    object({ a: text, b: { type: 'integer', minimum: 1 }, c: { type: ['null', 'boolean'] } }),
  ],
  [
    'lists, choices and references',
    object(
      { a: { type: 'array', items: { $ref: '#/$defs/x' } }, b: { anyOf: [text, { type: 'null' }] } },
      { $defs: { x: object({ n: text }) } },
    ),
  ],
  ['a schema that refers to itself', object({ next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } })],
  [
    'as a generator writes it',
    object(
      { a: { type: 'string', format: 'date-time', title: 'A' } },
      { $schema: 'http://json-schema.org/draft-07/schema#' },
    ),
  ],
])('%s can go out strict', (_name, schema) => {
  expect(strictProblem(schema)).toBeNull();
});

test.each<[string, Record<string, unknown>, string, RegExp]>([
  ['a list at the top', { type: 'array', items: text }, '', /no object/],
  ['a choice at the top', { anyOf: [object({})] }, '', /no object/],
  ['an open object', object({}, { additionalProperties: undefined }), '', /additionalProperties/],
  [
    'an open object inside',
    object({ a: { type: 'array', items: object({}, { additionalProperties: true }) } }),
    '/properties/a/items',
    /additionalProperties/,
  ],
  ['an optional property', object({ a: text, 'b/c': text }, { required: ['a'] }), '', /"b\/c" is not required/],
  ['a keyword of another kind', object({ 'a/b': { type: 'string', minLength: 1 } }), '/properties/a~1b', /"minLength"/],
  ['allOf', object({ a: { allOf: [text] } }), '/properties/a', /"allOf"/],
  ['a format of its own', object({ a: { type: 'string', format: 'color' } }), '/properties/a', /format "color"/],
  ['another file', object({ a: { $ref: 'other.json' } }), '/properties/a', /another file/],
  ['true for a schema', object({ a: true }), '/properties/a', /no schema object/],
  ['eleven levels', deep as Record<string, unknown>, '/properties/a'.repeat(10), /nested more than 10 deep/],
  [
    'too many values',
    object({ a: { enum: Array.from({ length: 1_001 }, (_, at) => at) } }),
    '/properties/a',
    /1000 values/,
  ],
])('%s can not, and it is said where', (_name, schema, at, why) => {
  expect(strictProblem(schema)).toEqual({ at, why: expect.stringMatching(why) });
});
