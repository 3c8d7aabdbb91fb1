import { readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { LiteLLMClient } from '../../src/client/client.ts';
import { receiptFromJson } from '../../src/client/receipt.ts';
import { Conversation } from '../../src/conversation/conversation.ts';
import { recoverReply, recoverTurn } from '../../src/conversation/recover.ts';
import { CllmError } from '../../src/outcome/errors.ts';
import { Journal } from '../../src/journal/journal.ts';
import { identifyProcess } from '../../src/files/process-identity.ts';
import { readRecording } from '../../src/journal/recording.ts';
import type { StreamEnd } from '../../src/protocol/verdict.ts';
import { useChildScript } from '../support/child-script.ts';
import { startFakeUpstream } from '../support/fake-upstream.ts';
import { newTurn, openHistory, uid } from '../support/history-samples.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const keepWriting = useChildScript('journal/keep-writing.ts');
const identity = identifyProcess(process.pid);
const head = { status: 200, headers: { 'content-type': 'text/event-stream' }, url: 'http://127.0.0.1/' };

function journalOf(): Journal {
  return new Journal(join(directory(), 'journal'), { uid, identity, stateOf: () => 'gone' });
}

function event(delta: Record<string, unknown>, finish: string | null = null): Buffer {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return Buffer.from(
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices })}\n\n`,
  );
}

function recorded(reads: Buffer[], end?: StreamEnd): string {
  const writer = journalOf().begin({ conversationId: null, turnId: 'a' });
  writer.head(head);
  for (const read of reads) writer.read(read);
  if (end !== undefined) writer.end(end);
  writer.close();
  return writer.file;
}

const textOf = (reply: ReturnType<typeof recoverReply>): string | null | undefined =>
  reply.completion?.choices[0]?.message.content;

describe('a recovered reply', () => {
  const half = [event({ role: 'assistant', content: 'Hel' }), event({ content: 'lo' })];

  test('is interrupted where its journal has no end', () => {
    const reply = recoverReply(readRecording(recorded(half)));
    expect(reply).toMatchObject({ verdict: 'interrupted', error: { code: 'interrupted' } });
    expect(textOf(reply)).toBe('Hello');
  });

  test('has the verdict of its end where the journal has that', () => {
    expect(recoverReply(readRecording(recorded([...half, event({}, 'stop')], { type: 'end' }))).verdict).toBe(
      'complete',
    );
  });

  test.each<[string, Buffer[], StreamEnd, string]>([
    ['a lost connection', half, { type: 'lost', message: 'reset' }, 'cut'],
    ['a deadline', half, { type: 'deadline', deadline: 'idle', seconds: 1 }, 'timed_out'],
    ['a signal', half, { type: 'signal', signal: 'SIGTERM' }, 'interrupted'],
    ['[DONE]', [...half, event({}, 'length'), Buffer.from('data: [DONE]\n\n')], { type: 'done' }, 'length'],
  ])('whose end is %s', (_name, reads, end, verdict) => {
    expect(recoverReply(readRecording(recorded(reads, end))).verdict).toBe(verdict);
  });

  test('is complete where its bytes hold the end themselves', () => {
    const reads = [...half, event({}, 'stop'), Buffer.from('data: [DONE]\n\n')];
    expect(recoverReply(readRecording(recorded(reads))).verdict).toBe('complete');
  });

  test('is nothing where nothing had come', () => {
    const writer = journalOf().begin({ conversationId: null, turnId: 'a' });
    writer.close();
    expect(recoverReply(readRecording(writer.file))).toMatchObject({ completion: null, verdict: 'interrupted' });
  });

  test('is what the whole entries before a tear give, at every offset', () => {
    const file = recorded([...half, event({}, 'stop'), Buffer.from('data: [DONE]\n\n')], { type: 'done' });
    const whole = readFileSync(file);
    const seen = new Set<string>();
    for (let length = whole.length; length > 20; length -= 1) {
      truncateSync(file, length);
      const reply = recoverReply(readRecording(file));
      seen.add(`${reply.verdict} ${textOf(reply)}`);
    }
    expect([...seen]).toEqual(['complete Hello', 'interrupted Hello', 'interrupted Hel', 'interrupted undefined']);
  });

  test('is larger than one event may be in a live stream', () => {
    const text = 'x'.repeat(17 * 1024 * 1024);
    expect(textOf(recoverReply(readRecording(recorded([event({ content: text })]))))).toHaveLength(text.length);
  });
});

describe('a recovered turn', () => {
  test('is put back where its prompt is, once', () => {
    const history = openHistory();
    const place = history.beginTurn(newTurn('hi'));
    const journal = journalOf();
    const writer = journal.begin(place);
    writer.head(head);
    writer.read(event({ content: 'Hello' }));
    writer.close();
    const [unfinished] = journal.unfinished();
    if (unfinished === undefined) throw new Error('no turn was left');
    expect(recoverTurn(unfinished, history)).toMatchObject({ ...place, wasSaved: false, verdict: 'interrupted' });
    expect(history.turns(place.conversationId)).toMatchObject([
      { verdict: 'interrupted', error: { code: 'interrupted' }, endedAt: expect.any(String) },
    ]);
    expect(recoverTurn(unfinished, history)).toMatchObject({ ...place, wasSaved: true });
  });

  test.each(['the whole of its reply', 'an attempt that brought nothing, and then the whole of its reply'])(
    'has the receipt of the live turn, whose journal has %s',
    async (journaled) => {
      const upstream = await startFakeUpstream();
      const client = new LiteLLMClient({ baseUrl: upstream.baseUrl, apiKey: 'sk-1' });
      try {
        const headers = {
          'x-litellm-call-id': 'call-1',
          'x-litellm-model-id': 'deployment',
          'x-litellm-model-group': 'group',
          'x-litellm-key-spend': '0.5',
        };
        const isRepeated = journaled.startsWith('an attempt');
        if (isRepeated) upstream.reply({ headers: { 'x-litellm-call-id': 'call-0' }, steps: [{ reset: true }] });
        const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, cost: 0.25 };
        const chunk = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'group' };
        upstream.reply({
          headers,
          steps: [
            { wait: 20 },
            { data: { ...chunk, choices: [{ index: 0, delta: { content: 'Hello' }, finish_reason: null }] } },
            { wait: 30 },
            { data: { ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] } },
            { data: { ...chunk, choices: [], usage } },
            { data: '[DONE]' },
          ],
        });
        const problem = new CllmError('history_unusable', 'it is locked', { hint: 'wait' });
        const journal = journalOf();
        const conversation = new Conversation(client, { history: null, journal, problem });
        const messages = [{ role: 'user', content: 'hi' }];
        const live = await conversation.send({ messages, body: { model: 'asked' } });
        const [unfinished] = journal.unfinished();
        if (unfinished === undefined || live.receipt === null) throw new Error('no turn was left');
        const history = openHistory();
        const [turn] = history.turns(recoverTurn(unfinished, history).conversationId);
        const { durationMs, ttftMs, ...facts } = receiptFromJson(turn?.receipt ?? {});
        const { durationMs: _, ttftMs: __, ...liveFacts } = live.receipt;
        expect(facts).toEqual(liveFacts);
        expect(facts).toMatchObject({ modelRequested: 'asked', callId: 'call-1', costUsd: 0.25, costSource: 'stream' });
        expect(facts.retries).toBe(isRepeated ? 1 : 0);
        // By the waits of the upstream: when a busy process came to a read, its live receipt alone says. The journal is begun
        // before the request, and knows whole milliseconds, as timers do.
        expect(Number(ttftMs)).toBeGreaterThanOrEqual(18);
        expect(durationMs - Number(ttftMs)).toBeGreaterThanOrEqual(28);
      } finally {
        await client.close();
        await upstream.close();
      }
    },
  );

  test('whose process was killed has the duration up to its last read', () => {
    let now = 0;
    const journal = new Journal(join(directory(), 'journal'), {
      uid,
      identity,
      stateOf: () => 'gone',
      clock: () => (now += 100),
    });
    const history = openHistory();
    const place = history.beginTurn(newTurn('hi'));
    const writer = journal.begin(place);
    writer.head({ ...head, headers: { ...head.headers, 'x-litellm-call-id': 'call-1' } });
    writer.read(Buffer.from(': a comment\n\n'));
    writer.read(event({ content: 'Hello' }));
    writer.read(event({ content: ', you' }));
    writer.close();
    const [unfinished] = journal.unfinished();
    if (unfinished === undefined) throw new Error('no turn was left');
    recoverTurn(unfinished, history);
    expect(history.turns(place.conversationId)[0]?.receipt).toMatchObject({
      call_id: 'call-1',
      model_served: 'm',
      cost_usd: null,
      cost_source: 'unknown',
      ttft_ms: 300,
      duration_ms: 400,
    });
  });

  test('that was never answered has no receipt', () => {
    const history = openHistory();
    const place = history.beginTurn(newTurn('hi'));
    const journal = journalOf();
    journal.begin(place).close();
    const [unfinished] = journal.unfinished();
    if (unfinished === undefined) throw new Error('no turn was left');
    recoverTurn(unfinished, history);
    expect(history.turns(place.conversationId)[0]?.receipt).toBeNull();
  });

  test('makes its conversation where the history was lost', () => {
    const journal = journalOf();
    const turn = {
      name: 'plan',
      system: 'be brief',
      messages: [{ role: 'user', content: 'hi' }],
      model: 'm',
      request: { seed: 1 },
    };
    const writer = journal.begin({ conversationId: '0gone', turnId: '0lost', turn });
    writer.head(head);
    writer.read(event({ content: 'Hello' }));
    writer.close();
    const history = openHistory();
    const [unfinished] = journal.unfinished();
    if (unfinished === undefined) throw new Error('no turn was left');
    const { conversationId } = recoverTurn(unfinished, history);
    expect(history.find('plan')).toMatchObject({ id: conversationId, system: 'be brief', title: 'hi' });
    expect(history.turns(conversationId)).toMatchObject([
      { id: '0lost', request: { seed: 1 }, messages: turn.messages },
    ]);
  });

  test.each([0, 5, 16, 17, 30])('whose journal was torn after %i bytes ends without a reply', (length) => {
    const history = openHistory();
    const place = history.beginTurn(newTurn('hi'));
    const writer = journalOf().begin(place);
    writer.close();
    truncateSync(writer.file, length);
    utimesSync(writer.file, 0, 0);
    const [unfinished] = journalOf().unfinished();
    if (unfinished === undefined) throw new Error('no turn was left');
    expect(recoverTurn(unfinished, history)).toMatchObject({ ...place, completion: null, verdict: 'interrupted' });
    expect(history.turnState(place.turnId)).toBe('ended');
  });

  test('of a file that holds nothing readable is an error that leaves it where it is', () => {
    const file = recorded([]);
    writeFileSync(file, 'garbage');
    expect(() =>
      recoverTurn(
        { turnId: 'a', file, conversationId: null, turn: null, startedAt: null, byteLength: 7, problem: null },
        openHistory(),
      ),
    ).toThrow('is no recording of cllm');
  });
});

describe('a process that is killed while a reply comes', () => {
  test('has printed nothing that is not in the recovered turn', async () => {
    for (let round = 0; round < 4; round += 1) {
      const { child, exit, stdout } = await keepWriting([directory()]);
      await new Promise<void>((fulfil) => {
        child.stdout?.on('data', () => {
          if (stdout().length > round * 400) fulfil();
        });
      });
      child.kill('SIGKILL');
      const { stdout: shown } = await exit;
      const journal = new Journal(join(directory(), 'journal'), { uid, identity });
      const unfinished = journal.unfinished();
      expect(unfinished).toHaveLength(1);
      const history = openHistory(join(directory(), 'history.db'));
      for (const each of unfinished) {
        const { completion, verdict, seq } = recoverTurn(each, history);
        journal.remove(each.turnId);
        expect({ verdict, seq }).toEqual({ verdict: 'interrupted', seq: round + 1 });
        expect(completion?.choices[0]?.message.content?.startsWith(shown)).toBe(true);
        expect(shown.length).toBeGreaterThan(round * 400);
      }
      expect(history.verify().problems).toEqual([]);
      history.close();
    }
  }, 60_000);

  test('is left alone while it runs', async () => {
    const { child, exit } = await keepWriting([directory(), '1']);
    await new Promise<void>((fulfil) => child.stdout?.once('data', () => fulfil()));
    const journal = new Journal(join(directory(), 'journal'), { uid, identity });
    expect(journal.unfinished()).toEqual([]);
    child.kill('SIGKILL');
    await exit;
    expect(journal.unfinished()).toHaveLength(1);
  });

  test('on a full disk leaves whole entries, and says that it could not write', async () => {
    // The limit is in KiB; the database is made under it, the journal runs into it.
    const { exit } = await keepWriting([directory()], (command) => [
      'bash',
      '--norc',
      '-c',
      `ulimit -f 200; exec ${command}`,
    ]);
    const { stdout } = await exit;
    expect(stdout).toMatch(/failed output_failed$/);
    const journal = new Journal(join(directory(), 'journal'), { uid, identity });
    const [unfinished] = journal.unfinished();
    const recording = readRecording(String(unfinished?.file));
    expect(recording.isTorn).toBe(false);
    expect(`${textOf(recoverReply(recording))}failed output_failed`).toBe(stdout);
  }, 30_000);
});
