import path from 'node:path';
import { expect, test } from '@jest/globals';
import { replay } from '../../src/conversation/replay.ts';
import { readRecording, RecordingWriter } from '../../src/journal/recording.ts';
import { textChunk } from '../support/fake-upstream.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();

test.each([
  ['a recording of --record', { model: 'gpt' }, 'gpt'],
  ['a journal, which has it with its turn', { conversation_id: null, turn_id: 't', turn: { model: 'gpt' } }, 'gpt'],
  ['one that names none', { turn: null }, 'unknown'],
])('the model of %s', async (_who, meta, model) => {
  const writer = new RecordingWriter(path.join(directory(), 'a.rec'), meta);
  writer.head({
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    url: 'http://proxy/v1/chat/completions',
  });
  writer.read(Buffer.from(`data: ${JSON.stringify(textChunk('Hello'))}\n\n`));
  writer.close();
  const models: string[] = [];
  const result = await replay(readRecording(path.join(directory(), 'a.rec')), {
    speed: null,
    observer: { begin: (facts) => void models.push(facts.model) },
    signal: new AbortController().signal,
  });
  expect(models).toEqual([model]);
  expect(result).toMatchObject({ verdict: 'cut', receipt: { modelRequested: model } });
});
