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
    'choices that begin with another value each',
    object(
      {
        a: {
          anyOf: [
            { $ref: '#/$defs/one' },
            object({ kind: { type: 'string', const: 'b' } }),
            object({ kind: { type: 'string', enum: ['c', 'd'] } }),
          ],
        },
      },
      { $defs: { one: object({ kind: { type: 'string', const: 'a' } }) } },
    ),
  ],
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
    'a description beside a reference',
    object({ a: { $ref: '#/$defs/x', description: 'A.' } }, { $defs: { x: text } }),
    '/properties/a',
    /"description" stands beside "\$ref"/,
  ],
  ['anything', object({ a: {} }), '/properties/a', /no "type"/],
  ['a value without its type', object({ a: { const: 'x' } }), '/properties/a', /no "type"/],
  ['a value of another type', object({ a: { type: 'string', enum: ['x', null] } }), '/properties/a', /value null/],
  ['a list of anything', object({ a: { type: 'array' } }), '/properties/a', /of what/],
  [
    'an object of anything',
    object({ a: { type: 'object', additionalProperties: false } }),
    '/properties/a',
    /no "prop/,
  ],
  ['more required than there is', object({ a: text }, { required: ['a', 'b'] }), '', /"b" is required and no property/],
  ['a pattern that looks ahead', object({ a: { type: 'string', pattern: '^(?!x)' } }), '/properties/a', /looks ahead/],
  [
    'choices that begin alike',
    object({ a: { anyOf: [object({ x: text }), object({ x: text, y: text })] } }),
    '/properties/a',
    /begin with the same property, "x"/,
  ],
  [
    'a choice at the top of an object',
    object({ a: text }, { anyOf: [object({ a: text })] }),
    '',
    /the top is no object/,
  ],
  [
    'names that are too long together',
    object({ ['x'.repeat(70_000)]: text, ['y'.repeat(50_001)]: text }),
    '',
    /120000 characters/,
  ],
  [
    'too many long values',
    object({ a: { type: 'string', enum: Array.from({ length: 251 }, (_, at) => `${at}`.padEnd(60, 'x')) } }),
    '/properties/a',
    /15000 characters in 251 values/,
  ],
  [
    'too many values',
    object({ a: { type: 'integer', enum: Array.from({ length: 1_001 }, (_, at) => at) } }),
    '/properties/a',
    /1000 values/,
  ],
])('%s can not, and it is said where', (_name, schema, at, why) => {
  expect(strictProblem(schema)).toEqual({ at, why: expect.stringMatching(why) });
});
