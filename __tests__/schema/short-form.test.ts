import { expect, test } from '@jest/globals';
import { isInlineSchema, isShortForm, shortSchema } from '../../src/schema/short-form.ts';
import { strictProblem } from '../../src/schema/strict.ts';

test.each([
  ['{"type":"object"}', true, false],
  [' {}', true, false],
  ['name, age int', true, true],
  ['age int', true, true],
  ['name,', true, true],
  ['schema.json', false, false],
  ['/dev/fd/63', false, false],
  ['-', false, false],
  ['/home/me/my project, new/schema.json', false, false],
  ['../two words', false, false],
  ['my schema.json', false, false],
])('%j is a schema itself: %s, in short: %s', (given, isInline, isShort) => {
  expect([isInlineSchema(given), isShortForm(given)]).toEqual([isInline, isShort]);
});

test('fields with their types are an object that has them all and no other', () => {
  const schema = shortSchema(' name, age int, tags string[], score: number ,ok BOOL, ids int[],');
  expect(schema).toEqual({
    type: 'object',
    properties: {
      name: { type: 'string' },
      age: { type: 'integer' },
      tags: { type: 'array', items: { type: 'string' } },
      score: { type: 'number' },
      ok: { type: 'boolean' },
      ids: { type: 'array', items: { type: 'integer' } },
    },
    required: ['name', 'age', 'tags', 'score', 'ok', 'ids'],
    additionalProperties: false,
  });
  expect(strictProblem(schema)).toBeNull();
});

test('a name that every object has is a field like any other', () => {
  expect(JSON.stringify(shortSchema('__proto__ int, constructor'))).toBe(
    '{"type":"object","properties":{"__proto__":{"type":"integer"},"constructor":{"type":"string"}},"required":["__proto__","constructor"],"additionalProperties":false}',
  );
});

test.each(['name, age years', 'my schema.json', '1st int, b', 'a int int, b', 'a, a int', 'a toString, b'])(
  '%j is none',
  (given) => {
    expect(() => shortSchema(given)).toThrow(/is no field|stands there twice/);
  },
);
