import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { DeltaReader } from '../../src/cli/views/deltas.ts';
import { LiteLLMClient } from '../../src/client/client.ts';
import { Conversation } from '../../src/conversation/conversation.ts';
import { recoverReply } from '../../src/conversation/recover.ts';
import { textOf } from '../../src/conversation/result-object.ts';
import type { TurnRequest } from '../../src/conversation/turn.ts';
import { identifyProcess } from '../../src/files/process-identity.ts';
import type { History, TurnEnd } from '../../src/history/history.ts';
import { Journal } from '../../src/journal/journal.ts';
import { readRecording } from '../../src/journal/recording.ts';
import { CllmError, InterruptedError } from '../../src/outcome/errors.ts';
import { exitCodeOf } from '../../src/outcome/exits.ts';
import {
  errorReply,
  type FakeUpstream,
  type ScriptedReply,
  startFakeUpstream,
  type Step,
  textReply,
} from '../support/fake-upstream.ts';
import { ended, openHistory, uid } from '../support/history-samples.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

/** In which order a turn is journaled, shown, committed and forgotten: what was seen is had, whenever the process ends. */

const directory = useTemporaryDirectory();
let upstream: FakeUpstream;
let client: LiteLLMClient;
let history: History;
let journal: Journal;

beforeAll(async () => {
  upstream = await startFakeUpstream();
  client = new LiteLLMClient({ baseUrl: upstream.baseUrl, retries: 1 });
});
afterAll(async () => {
  await client.close();
  await upstream.close();
});
beforeEach(() => {
  history = openHistory(join(directory(), 'data', 'history.db'));
  journal = new Journal(join(directory(), 'journal'), { uid, identity: identifyProcess(process.pid) });
});
afterEach(() => history.close());

const chunk = (content: string): Step => ({
  data: {
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'fake',
    choices: [{ index: 0, delta: { content } }],
  },
});

const journalFiles = (): string[] => (existsSync(journal.directory) ? readdirSync(journal.directory) : []);

/** What a crash at this moment would leave of the reply. */
function journaledText(): string {
  const [name = ''] = journalFiles();
  return textOf(recoverReply(readRecording(join(journal.directory, name))).completion);
}

function conversation(store: Partial<History> = {}): Conversation {
  const watched = new Proxy(history, {
    get: (target, name) => {
      const value: unknown = Reflect.get(store, name) ?? Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return new Conversation(client, { history: watched, journal, problem: null });
}

const ask = (more: Partial<TurnRequest> = {}): TurnRequest => ({
  messages: [{ role: 'user', content: 'hi' }],
  body: { model: 'fake' },
  ...more,
});

describe('a reply that comes', () => {
  test.each<[string, Step[]]>([
    ['a delta a read', ['one ', 'two ', 'three ', 'four '].flatMap((word) => [chunk(word), { wait: 5 }])],
    ['all in one read', [{ burst: ['one ', 'two ', 'three '].map((word) => (chunk(word) as { data: unknown }).data) }]],
    ['cut in the middle of an event', [chunk('one '), { raw: 'data: {"id"' }, { wait: 5 }, { reset: true }]],
  ])('is in the journal before any of it is shown: %s', async (_name, steps) => {
    upstream.reply({ steps });
    let shown = '';
    let looks = 0;
    await conversation().send(
      ask({
        observer: {
          arrival: (arrival) => {
            for (const { content } of new DeltaReader().read(arrival)) shown += content;
            looks += 1;
            expect(journaledText().startsWith(shown)).toBe(true);
          },
        },
      }),
    );
    expect(shown).toMatch(/^one /);
    expect(looks).toBeGreaterThan(0);
    expect(journalFiles()).toEqual([]);
  });

  test('has its prompt in the history before the request is made, and its journal is there by then', async () => {
    let begun: unknown = null;
    upstream.reply((request): ScriptedReply => {
      const [turn] = history.turns(history.latest()?.id ?? '');
      begun = {
        messages: turn?.messages,
        verdict: turn?.verdict,
        completion: turn?.completion,
        files: journalFiles().length,
      };
      return textReply('Hello.')(request);
    });
    await conversation().send(ask());
    expect(begun).toEqual({ messages: ask().messages, verdict: null, completion: null, files: 1 });
  });
});

describe('a reply that has come', () => {
  test('is committed while its journal is there, and its journal goes then', async () => {
    upstream.reply(textReply('Hello.'));
    let atCommit: { files: number; text: string } | null = null;
    const { unsaved } = await conversation({
      endTurn: (turnId: string, end: TurnEnd) => {
        atCommit = { files: journalFiles().length, text: journaledText() };
        history.endTurn(turnId, end);
        expect(journalFiles()).toHaveLength(1);
      },
    }).send(ask());
    expect({ unsaved, atCommit, files: journalFiles() }).toEqual({
      unsaved: null,
      atCommit: { files: 1, text: 'Hello.' },
      files: [],
    });
  });

  test.each(['complete', 'cut'])('and is %s is committed with what it came to', async (verdict) => {
    upstream.reply(verdict === 'complete' ? textReply('Hello.') : { steps: [chunk('Hel'), { reset: true }] });
    const { conversationId } = await conversation().send(ask());
    const [turn] = history.turns(conversationId ?? '');
    expect(turn).toMatchObject({ verdict, error: verdict === 'cut' ? { code: 'stream_cut' } : null });
    expect(turn?.receipt).not.toBeNull();
  });

  test.each<[string, () => CllmError]>([
    ['a lock', () => new CllmError('history_unusable', 'the history is locked')],
    ['anything else', () => new TypeError('a mistake of ours') as never],
  ])('that %s keeps from the history is said not to be saved, and its journal stays', async (_why, problem) => {
    upstream.reply(textReply('Hello.'));
    const { unsaved, verdict, conversationId } = await conversation({
      endTurn: () => {
        throw problem();
      },
    }).send(ask());
    expect(verdict).toBe('complete');
    expect(unsaved).toMatchObject({ code: 'history_unsaved' });
    expect(exitCodeOf(unsaved)).toBe(10);
    const [file = ''] = journalFiles();
    expect(unsaved?.hint).toContain(join(journal.directory, file));
    expect(journaledText()).toBe('Hello.');
    expect(history.turns(conversationId ?? '')).toMatchObject([{ verdict: null, completion: null }]);
  });

  test('to a conversation that was deleted meanwhile is said not to be saved, and does not come back', async () => {
    let removed = false;
    upstream.reply({ steps: [chunk('Hel'), { wait: 20 }, chunk('lo.')] });
    const { unsaved } = await conversation().send(
      ask({
        observer: {
          arrival: () => {
            if (!removed) history.delete(history.latest()?.id ?? '');
            removed = true;
          },
        },
      }),
    );
    expect(unsaved).toMatchObject({ code: 'history_unsaved' });
    expect({ files: journalFiles(), left: history.list() }).toEqual({ files: [], left: [] });
  });

  test('whose prompt could not be committed is in the journal with all that a turn has', async () => {
    upstream.reply(textReply('Hello.'));
    const { unsaved, conversationId } = await conversation({
      beginTurn: () => {
        throw new CllmError('history_unusable', 'the disk is full');
      },
    }).send(ask({ body: { model: 'fake', temperature: 1 } }));
    expect({ code: unsaved?.code, conversationId }).toEqual({ code: 'history_unsaved', conversationId: null });
    expect(unsaved?.message).toContain('the disk is full');
    expect(journalFiles()).toHaveLength(1);
    expect(journaledText()).toBe('Hello.');
  });
});

describe('a journal that can not be written', () => {
  test('is no failure where the history has the reply', async () => {
    const broken = new Journal('/proc/journal', { uid, identity: identifyProcess(process.pid) });
    upstream.reply(textReply('Hello.'));
    const { unsaved, verdict } = await new Conversation(client, { history, journal: broken, problem: null }).send(
      ask(),
    );
    expect({ unsaved, verdict }).toEqual({ unsaved: null, verdict: 'complete' });
  });

  test('is one where the history has not', async () => {
    const broken = new Journal('/proc/journal', { uid, identity: identifyProcess(process.pid) });
    upstream.reply(textReply('Hello.'));
    const { unsaved } = await new Conversation(client, { history: null, journal: broken, problem: null }).send(ask());
    expect(unsaved).toMatchObject({ code: 'history_unsaved' });
    expect(unsaved?.hint).not.toContain('cllm recover');
  });
});

describe('a turn without a reply', () => {
  test('has ended in the history, with why, and leaves no journal', async () => {
    upstream.reply(errorReply(401, 'no such key'));
    const { conversationId, error } = await conversation().send(ask());
    expect(error).toMatchObject({ code: 'no_key' });
    expect(history.turns(conversationId ?? '')).toMatchObject([{ completion: null, error: { code: 'no_key' } }]);
    expect(journalFiles()).toEqual([]);
  });

  test('for its request can not be made has ended just so', async () => {
    const request = ask({ body: { model: 'fake', stream: 'yes' as never } });
    await expect(conversation().send(request)).rejects.toBeInstanceOf(CllmError);
    const turns = history.turns(history.latest()?.id ?? '');
    expect(turns).toMatchObject([{ completion: null, error: { code: expect.any(String) } }]);
    expect({
      files: journalFiles(),
      requests: upstream.chatRequests.filter(({ body }) => body.stream === ('yes' as never)),
    }).toEqual({
      files: [],
      requests: [],
    });
  });

  test('of a conversation that is only read leaves nothing at all', async () => {
    upstream.reply(textReply('Hello.'));
    const readOnly = new Conversation(client, { history, journal, problem: null }, { isReadOnly: true });
    const { unsaved, conversationId } = await readOnly.send(ask());
    expect({ unsaved, conversationId, turns: history.list() }).toEqual({
      unsaved: null,
      conversationId: null,
      turns: [],
    });
  });
});

describe('what a turn knows of others', () => {
  /** A conversation that has one turn, by this one's own client. */
  async function begun(store: Partial<History> = {}): Promise<{ talk: Conversation; id: string }> {
    upstream.reply(textReply('first reply'));
    const talk = conversation(store);
    const { conversationId } = await talk.send(ask());
    upstream.requests.length = 0;
    return { talk, id: conversationId ?? '' };
  }
  const sent = (): unknown[] => upstream.chatRequests[0]?.body.messages ?? [];
  const earlier = [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'first reply' },
  ];

  test('is all before its prompt, and nothing that another process began after it', async () => {
    const { talk, id } = await begun({
      beginTurn: (turn) => {
        const place = history.beginTurn(turn);
        if (place.seq > 1) {
          const other = history.beginTurn({ conversation: { id: place.conversationId }, messages: [], model: 'fake' });
          history.endTurn(other.turnId, ended('of another process'));
        }
        return place;
      },
    });
    await talk.send(ask({ messages: [{ role: 'user', content: 'and?' }] }));
    expect(sent()).toEqual([...earlier, { role: 'user', content: 'and?' }]);
    expect(history.turns(id)).toHaveLength(3);
  });

  test('is the same where its own prompt can not be written', async () => {
    const { talk } = await begun({
      beginTurn: (turn) => {
        if (history.latest() === null) return history.beginTurn(turn);
        throw new CllmError('history_unusable', 'locked');
      },
    });
    await talk.send(ask({ messages: [{ role: 'user', content: 'and?' }] }));
    expect(sent()).toEqual([...earlier, { role: 'user', content: 'and?' }]);
  });

  test('a new system prompt is kept once, and then left to whoever changes it', async () => {
    const { talk, id } = await begun();
    Object.assign(talk.state, { system: 'be brief', hasNewSystem: true });
    await talk.send(ask());
    expect(history.find(id).system).toBe('be brief');
    history.setSystem(id, 'of another process');
    await talk.send(ask());
    expect(history.find(id).system).toBe('of another process');
  });
});

test('a journal that stays is closed', async () => {
  upstream.reply(textReply('Hello.'));
  await conversation({
    endTurn: () => {
      throw new CllmError('history_unusable', 'locked');
    },
  }).send(ask());
  const open = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  expect(open.filter((file) => file.startsWith(journal.directory))).toEqual([]);
});

describe('what is left of a turn', () => {
  const locked = (): never => {
    throw new CllmError('history_unusable', 'locked');
  };

  test('has how its stream ended, where the history could not be told', async () => {
    upstream.reply({ steps: [chunk('Hel'), { wait: 20 }, { reset: true }] });
    await conversation({ endTurn: locked }).send(ask());
    const [name = ''] = journalFiles();
    expect(recoverReply(readRecording(join(journal.directory, name)))).toMatchObject({ verdict: 'cut' });
  });

  test('a disk that fills up on the way ends the journal, not the reply', async () => {
    const full = new Journal(journal.directory, { uid, identity: identifyProcess(process.pid) });
    const broken = new Proxy(full, {
      get: (target, name) =>
        name === 'begin'
          ? (turn: Parameters<Journal['begin']>[0]) => {
              const writer = target.begin(turn);
              writer.read = () => {
                throw new CllmError('output_failed', 'the disk is full');
              };
              return writer;
            }
          : (Reflect.get(target, name, target) as unknown),
    });
    upstream.reply(textReply('Hello.'), textReply('Hello.'));
    const kept = await new Conversation(client, { history, journal: broken, problem: null }).send(ask());
    expect({ unsaved: kept.unsaved, text: textOf(kept.completion) }).toEqual({ unsaved: null, text: 'Hello.' });
    const lost = await new Conversation(client, { history: null, journal: broken, problem: null }).send(ask());
    expect(lost).toMatchObject({
      verdict: 'complete',
      unsaved: { message: expect.stringContaining('the disk is full') },
    });
  });

  test('nothing is missed without a journal', async () => {
    upstream.reply(textReply('Hello.'));
    const { unsaved, conversationId } = await new Conversation(client, { history, journal: null, problem: null }).send(
      ask(),
    );
    expect(unsaved).toBeNull();
    expect(history.turns(conversationId ?? '')).toMatchObject([{ verdict: 'complete' }]);
  });

  test('a signal ends it, with what came', async () => {
    upstream.reply({ steps: [chunk('Hel'), { stall: true }] });
    const stopping = new AbortController();
    const { verdict, conversationId } = await conversation().send(
      ask({
        signal: stopping.signal,
        observer: { arrival: () => stopping.abort(new InterruptedError('SIGINT', 'x')) },
      }),
    );
    expect(verdict).toBe('interrupted');
    expect(textOf(history.turns(conversationId ?? '')[0]?.completion ?? null)).toBe('Hel');
  });
});

test('a conversation goes on as its summary says, and one that is only read sends what was said', async () => {
  upstream.reply(textReply('first reply'), textReply('second reply'));
  const first = new Conversation(client, { history, journal, problem: null }, { name: 'n', system: 'be brief' });
  const { conversationId } = await first.send(ask());
  const begun: unknown[] = [];
  const again = Conversation.of(client, { history, journal, problem: null }, history.find('n'), true);
  upstream.requests.length = 0;
  const { conversationId: same } = await again.send(ask({ observer: { begin: (facts) => void begun.push(facts) } }));
  expect(again.state).toMatchObject({
    id: conversationId,
    name: 'n',
    system: 'be brief',
    model: 'fake',
    isReadOnly: true,
  });
  expect(begun).toEqual([{ conversationId, model: 'fake', partialReplies: 0 }]);
  expect(same).toBe(conversationId);
  expect(upstream.chatRequests[0]?.body.messages).toEqual([
    { role: 'system', content: 'be brief' },
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'first reply' },
    { role: 'user', content: 'hi' },
  ]);
  expect(history.turns(conversationId ?? '')).toHaveLength(1);
});
