import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { replySchema } from '../../../src/cli/asking/reply-schema.ts';
import { UsageError } from '../../../src/outcome/errors.ts';
import { isJsonObject } from '../../../src/protocol/json.ts';
import type { ChatCompletion } from '../../../src/protocol/types.ts';

const folder = '__tests__/fixtures/json-schema-test-suite';

interface Group {
  description: string;
  schema: unknown;
  tests: { description: string; data: unknown; valid: boolean }[];
}

const drafts: [name: string, $schema: string][] = [
  ['draft7', 'http://json-schema.org/draft-07/schema#'],
  ['draft2020-12', 'https://json-schema.org/draft/2020-12/schema'],
];

/** Where the check is known to differ; what no longer does has to go from here, too. */
const differs: Record<string, string[]> = {
  // Refused before anything is sent, and so never taken wrongly.
  'draft7/properties.json': ['properties whose names are Javascript object property names: refused'],
  'draft2020-12/properties.json': ['properties whose names are Javascript object property names: refused'],
  // Nothing matches an empty list: Ajv takes it for a mistake.
  'draft2020-12/enum.json': ['empty enum: refused'],
};

const completion = (content: string): ChatCompletion => ({
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
  usage: null,
});

/** What is not judged as the suite has it, by the group of the suite that it stands in. */
function judgedOtherwise(file: string, $schema: string): string[] {
  const groups = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as Group[];
  return groups.flatMap(({ description, schema, tests }) => {
    if (!isJsonObject(schema)) throw new Error(`${description}: a schema that is no object`);
    let form: ReturnType<typeof replySchema>;
    try {
      form = replySchema(JSON.stringify({ $schema, ...schema }), file);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return [`${description}: refused`];
    }
    const others = tests.filter(({ data, valid }) => {
      const content = JSON.stringify(data);
      const { taken } = form.take({ completion: completion(content), verdict: 'complete' }, false);
      return valid ? taken === null || JSON.stringify(taken.json) !== content : taken !== null;
    });
    return others.map((one) => `${description}: ${one.description}`);
  });
}

describe.each(drafts)('the JSON Schema Test Suite, %s', (draft, $schema) => {
  test.each(readdirSync(path.join(folder, draft)).toSorted())('%s', (name) => {
    const file = `${draft}/${name}`;
    expect(judgedOtherwise(file, $schema)).toEqual(differs[file] ?? []);
  });
});
