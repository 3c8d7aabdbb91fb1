import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { replySchema } from '../../../src/cli/asking/reply-schema.ts';

const folder = '__tests__/fixtures/schemas-as-written';

const judge = (tool: string, value: unknown) => {
  const which = tool === 'zod' ? 'issues.json' : 'report.json';
  const name = readdirSync(folder).find((file) => file.startsWith(tool) && file.endsWith(which)) ?? '';
  const form = replySchema(readFileSync(`${folder}/${name}`, 'utf8'), name);
  const message = { role: 'assistant' as const, content: JSON.stringify(value) };
  const choices = [{ index: 0, message, finish_reason: 'stop' as const }];
  const completion = { id: 'x', object: 'chat.completion' as const, created: 1, model: 'm', choices, usage: null };
  return { form, said: form.take({ completion, verdict: 'complete' }, false).error?.message ?? null };
};

const issue = { name: 'a', tags: [], note: null, kind: 'bug' };
const report = { kind: 'bug', count: 1, item: { name: 'a', children: [{ name: 'b' }] } };

test.each<[string, unknown, string | null]>([
  ['zod', [issue], null],
  ['zod', { value: [issue] }, null],
  ['zod', [{ ...issue, kind: 'other' }], 'at /0/kind'],
  ['pydantic', report, null],
  ['pydantic', { ...report, count: 0 }, 'at /count'],
  ['pydantic', { ...report, item: { name: 'a', children: [{}] } }, 'at /item/children/0'],
])('a schema as %s writes it judges %j', (tool, value, where) => {
  const { said } = judge(tool, value);
  expect([said === null, said?.includes(`${where}:`) ?? false]).toEqual([where === null, where !== null]);
});

test('what pydantic leaves out is no strict schema', () => {
  expect(judge('pydantic', report).form.strictProblem).not.toBeNull();
});
