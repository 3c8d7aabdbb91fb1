import { beforeAll, expect, test } from '@jest/globals';

import { isJsonObject } from '../../src/protocol/json.ts';
import {
  askPython,
  fold,
  oursWithoutIntended,
  pythonWithoutInvented,
  type OracleAnswer,
  type Stream,
} from '../support/builder-oracle.ts';
import { generateStream, randomFrom } from '../support/generated-streams.ts';
import { describeLitellm, litellmPython } from '../support/litellm.ts';
import { seed } from '../support/seed.ts';
import { absent, agreed, anyNumber, anyText, intended, type Intended } from './builder-cases.ts';

const generatedCount = 600;
const random = randomFrom(seed);
const generated: Stream[] = Array.from({ length: generatedCount }, () => generateStream(random));

describeLitellm('the fold and litellm.stream_chunk_builder', () => {
  const answers = new Map<Stream, OracleAnswer>();

  beforeAll(async () => {
    const streams = [...Object.values(agreed), ...Object.values(intended).map(({ stream }) => stream), ...generated];
    const given = await askPython(await litellmPython(), streams);
    for (const [index, stream] of streams.entries()) answers.set(stream, given[index] ?? { error: 'no answer' });
    // Importing litellm takes seconds, and on a busy machine many.
  }, 120_000);

  const answerFor = (stream: Stream): OracleAnswer => answers.get(stream) ?? { error: 'not asked' };

  test.each(Object.keys(agreed))('agree on %s', (name) => {
    const stream = agreed[name] as Stream;
    expect(oursWithoutIntended(stream)).toEqual(pythonWithoutInvented(stream, answerFor(stream)));
  });

  test.each(Object.keys(intended))('differ as intended: %s', (name) => {
    const { stream, python, ours } = intended[name] as Intended;
    const { completion, error } = answerFor(stream);
    expect(shown(error === undefined ? completion : { error }, python)).toEqual(python);
    expect(shown(fold(stream), ours)).toEqual(ours);
  });

  test(`agree on ${generatedCount} generated streams (CLLM_SEED=${seed})`, () => {
    // Where Python's builder itself gives up there is nothing to agree on: it must stay rare.
    const answered = generated.filter((stream) => answerFor(stream).error === undefined);
    expect(answered.length).toBeGreaterThan(generatedCount * 0.9);
    for (const [position, stream] of answered.entries()) {
      const ours = { position, completion: oursWithoutIntended(stream) };
      expect(ours).toEqual({ position, completion: pythonWithoutInvented(stream, answerFor(stream)) });
    }
  });
});

/** What a result says where a part of one says something; lists are of their whole length. */
function shown(value: unknown, part: unknown): unknown {
  if (part === absent)
    return value === undefined || value === null || (Array.isArray(value) && value.length === 0) ? absent : value;
  if (part === anyText) return typeof value === 'string' ? anyText : value;
  if (part === anyNumber) return typeof value === 'number' ? anyNumber : value;
  if (Array.isArray(part) && Array.isArray(value)) return value.map((item, index) => shown(item, part[index]));
  if (!isJsonObject(part) || !isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, shown(value[key], inner)]));
}
