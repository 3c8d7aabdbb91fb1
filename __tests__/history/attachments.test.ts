import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { contextOf } from '../../src/conversation/conversation-context.ts';
import type { History, NewTurn } from '../../src/history/history.ts';
import { useChildScript } from '../support/child-script.ts';
import { ended, newTurn, openHistory } from '../support/history-samples.ts';
import { oldHistory, takeRows } from '../support/old-history.ts';
import { DatabaseSync } from '../support/sqlite.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const moveAttachments = useChildScript('history/move-attachments.ts');
const pathOf = (name = 'data'): string => join(directory(), name, 'history.db');

/** Bytes that nothing compresses or repeats. */
function file(number: number, length = 60_000): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0, value = number + 1; at < length; at += 1) {
    value = (Math.imul(value, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = value >>> 16;
  }
  return bytes;
}

function asking(prompt: string, bytes: Buffer, conversation: NewTurn['conversation'] = { system: null }): NewTurn {
  const part = {
    type: 'file',
    file: { filename: 'a.pdf', file_data: `data:application/pdf;base64,${bytes.toString('base64')}` },
  };
  return {
    ...newTurn(prompt, conversation),
    messages: [{ role: 'user', content: [{ type: 'text', text: prompt }, part] }],
  };
}

function ask(history: History, prompt: string, bytes: Buffer, conversation?: NewTurn['conversation']): string {
  const { conversationId, turnId } = history.beginTurn(asking(prompt, bytes, conversation));
  history.endTurn(turnId, ended('fine'));
  return conversationId;
}

function stored<Row>(sql: string, path = pathOf()): Row[] {
  const database = new DatabaseSync(path);
  const rows = database.prepare(sql).all() as Row[];
  database.close();
  return rows;
}
const digests = (path?: string): string[] =>
  stored<{ digest: string }>('SELECT digest FROM attachments ORDER BY digest', path).map(({ digest }) => digest);

const isInFile = (text: string): boolean => readFileSync(pathOf()).includes(text);

describe('a long list of tools', () => {
  const tools = Array.from({ length: 40 }, (_, number) => ({
    type: 'function',
    function: { name: `tool_${number}`, description: `"tools":[] und „mehr“ 🛠 ${'x'.repeat(200)}` },
  }));
  const calling = (prompt: string, request: Record<string, unknown>, id?: string): NewTurn => ({
    ...newTurn(prompt, id === undefined ? { system: null } : { id }),
    request,
  });

  test('is kept once for all the requests that have it, and each gives it back', () => {
    const history = openHistory(pathOf());
    const requests = [
      { temperature: 0, tools, tool_choice: 'auto' },
      { tools, nested: { tools } },
      { metadata: { tools: 'none' }, tools },
      { tools: tools.slice(0, 1) },
      { tools: null },
    ];
    const { conversationId: id } = history.beginTurn(calling('one', requests[0] ?? {}));
    for (const request of requests.slice(1)) history.beginTurn(calling('more', request, id));
    expect(digests()).toHaveLength(1);
    expect(history.turns(id).map(({ request }) => request)).toEqual(requests);
    expect(history.verify().problems).toEqual([]);
    const [line = ''] = history.export();
    const other = openHistory(pathOf('other'));
    other.import([line]);
    expect([...other.export()]).toEqual([line]);
    history.delete(id);
    expect(digests()).toEqual([]);
  });

  test('that is damaged is noticed, and takes nothing else with it', () => {
    const history = openHistory(pathOf());
    const { conversationId: id } = history.beginTurn(calling('one', { tools }));
    history.close();
    const database = new DatabaseSync(pathOf());
    database.exec("UPDATE attachments SET bytes = CAST('[]' AS BLOB)");
    database.close();
    const again = openHistory(pathOf(), { onWarning: () => {} });
    expect(again.turns(id)).toMatchObject([{ messages: [{ content: 'one' }] }]);
    expect(again.verify().problems.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['attachment', 'turn']));
  });
});

describe('an attachment', () => {
  test('is kept once for all the turns that have it, and each gives it back', () => {
    const history = openHistory(pathOf());
    const id = ask(history, 'one', file(1));
    for (let turn = 2; turn <= 10; turn += 1) ask(history, `question ${turn}`, file(1), { id });
    const other = ask(history, 'elsewhere', file(1));
    expect(digests()).toHaveLength(1);
    for (const [index, turn] of history.turns(id).entries())
      expect(turn.messages).toEqual(asking(index === 0 ? 'one' : `question ${index + 1}`, file(1)).messages);
    expect(contextOf(history.turns(other), { system: null, model: 'm' }).messages[0]).toEqual(
      asking('elsewhere', file(1)).messages[0],
    );
    expect(history.verify().problems).toEqual([]);
    history.close();
    expect(statSync(pathOf()).size).toBeLessThan(5 * file(1).length);
  });

  test('is whole in an export, which another history takes and keeps once as well', () => {
    const history = openHistory(pathOf());
    const id = ask(history, 'one', file(1), { name: 'plan', system: null });
    ask(history, 'two', file(1), { id });
    ask(history, 'three', file(2), { id: history.fork(id, { name: 'fork', atSeq: 1 }).id });
    const lines = [...history.export()];
    expect(lines.join('\n').split(file(1).toString('base64'))).toHaveLength(3);
    const copy = openHistory(pathOf('copy'));
    expect(copy.import(lines)).toMatchObject({ added: 2 });
    expect([...copy.export()]).toEqual(lines);
    expect(copy.import(lines)).toMatchObject({ added: 0, unchanged: 2 });
    expect(digests(pathOf('copy'))).toEqual(digests());
    expect([...copy.export('fork')].join('')).toContain(file(1).toString('base64'));
    copy.close();
    history.close();
  });

  test('goes with the last turn that has it, from the file too', () => {
    const history = openHistory(pathOf());
    const marked = Buffer.concat([Buffer.from('MARKED'.repeat(10_000)), file(1)]);
    const id = ask(history, 'one', marked, { name: 'plan', system: null });
    const fork = history.fork(id, { atSeq: 1 });
    ask(history, 'two', file(2), { id });
    const other = ask(history, 'three', marked);
    expect(digests()).toHaveLength(2);
    history.delete(id);
    expect(digests()).toHaveLength(1);
    expect(history.turns(fork.id)[0]?.messages).toEqual(asking('one', marked).messages);
    history.delete(fork.id);
    expect(history.turns(other)[0]?.messages).toEqual(asking('three', marked).messages);
    history.prune(new Date(Date.UTC(2030, 0)));
    expect(digests()).toEqual([]);
    expect(stored('SELECT * FROM turns_attachments')).toEqual([]);
    expect(history.verify().problems).toEqual([]);
    history.close();
    expect([isInFile('MARKED'), isInFile(Buffer.from('MARKED'.repeat(8)).toString('base64'))]).toEqual([false, false]);
  });

  test('that an import which fails brought is not kept', () => {
    const history = openHistory(pathOf());
    ask(history, 'one', file(1));
    const [line] = [...history.export()];
    const copy = openHistory(pathOf('copy'));
    expect(() => copy.import([String(line), '{}'])).toThrow(/line 2/);
    copy.close();
    history.close();
    expect(digests(pathOf('copy'))).toEqual([]);
  });
});

describe('verify', () => {
  function damaged(sql: string): History {
    const history = openHistory(pathOf());
    ask(history, 'one', file(1));
    ask(history, 'two', file(2));
    history.close();
    const database = new DatabaseSync(pathOf(), { enableForeignKeyConstraints: false });
    database.exec(sql);
    database.close();
    return openHistory(pathOf(), { onWarning: () => {} });
  }

  test.each([
    ['UPDATE attachments SET bytes = zeroblob(9)', 'attachment', /^attachment \w{64} is not as it was written$/],
    [
      'UPDATE attachments SET bytes = zeroblob(9)',
      'turn',
      /^the prompt of turn 1 of conversation \w+ is not as it was/,
    ],
    ['DELETE FROM attachments', 'attachment', /^attachment \w{64} of turn 1 of conversation \w+ is not there$/],
    [
      'DROP TRIGGER attachments_delete; DELETE FROM turns_attachments',
      'attachment',
      /^attachment \w{64} is of no turn$/,
    ],
    [
      'DROP TRIGGER attachments_delete; DELETE FROM turns_attachments',
      'attachment',
      /^attachment \w{64} is not kept for turn 1 of conversation \w+$/,
    ],
    [
      'UPDATE turns_attachments SET position = 77 WHERE position = 1',
      'attachment',
      /of a turn that is not there is not/,
    ],
  ])('finds %s', (sql, kind, message) => {
    expect(damaged(sql).verify().problems).toContainEqual({ kind, message: expect.stringMatching(message) });
  });

  test('a turn without its attachment is damaged, is not sent, and the others are read', () => {
    const history = damaged('DELETE FROM attachments WHERE rowid = 1');
    const [two, one] = history.list();
    const [turn] = history.turns(one?.id ?? '');
    expect(turn).toMatchObject({ damage: ['messages'], messages: [] });
    expect(contextOf([turn as never], { system: null, model: 'm' }).messages).toEqual([]);
    expect(history.turns(two?.id ?? '')[0]?.damage).toBeUndefined();
    expect(history.damagedTurns).toBe(1);
    history.close();
  });
});

describe('a history of an earlier cllm', () => {
  /** As schema 5 wrote it: the attachments in their turns. */
  function earlier(turns: number): string[] {
    const newer = join(directory(), 'newer.db');
    const history = openHistory(newer);
    const id = ask(history, 'question 1', file(1), { name: 'plan', system: null });
    for (let turn = 2; turn <= turns; turn += 1)
      if (turn % 3 === 0) history.endTurn(history.beginTurn(newTurn(`text ${turn}`, { id })).turnId, ended('x'));
      else ask(history, `question ${turn}`, file(turn % 5), { id });
    const lines = [...history.export()];
    const whole = new Map(history.turns(id).map((turn) => [turn.id, JSON.stringify(turn.messages)]));
    history.close();
    const database = oldHistory(pathOf(), 5);
    takeRows(database, newer);
    // The triggers have set it.
    database
      .prepare('UPDATE conversations SET updated_at = ?')
      .run((JSON.parse(lines.join('')) as { updated_at: string }).updated_at);
    const update = database.prepare('UPDATE turns SET messages = ? WHERE id = ?');
    for (const [turn, messages] of whole) update.run(messages, turn);
    database.close();
    return lines;
  }
  const backlog = (): number => stored<{ up_to: number }>('SELECT up_to FROM attachments_backlog')[0]?.up_to ?? -1;

  test('is read as it is, and moved once a turn with an attachment ended', () => {
    const lines = earlier(12);
    const history = openHistory(pathOf());
    expect([...history.export()]).toEqual(lines);
    expect([backlog(), digests().length]).toEqual([12, 0]);
    history.endTurn(history.beginTurn(newTurn('text', { name: 'plan', system: null })).turnId, ended('x'));
    expect(backlog()).toBe(12);
    const other = ask(history, 'new', file(1));
    expect([backlog(), digests().length]).toEqual([0, 5]);
    expect(stored('SELECT 1 FROM turns WHERE octet_length(messages) > 1000')).toEqual([]);
    history.delete(other);
    expect(history.verify().problems).toEqual([]);
    history.close();
  });

  test('is moved by a deletion, whose text is nowhere then', () => {
    earlier(4);
    const history = openHistory(pathOf());
    // Short enough to lie on one page somewhere.
    const texts = Array.from({ length: 20 }, (_, at) =>
      file(1)
        .toString('base64')
        .slice(300 + 2000 * at)
        .slice(0, 40),
    );
    expect(texts.some(isInFile)).toBe(true);
    ask(history, 'new', file(9));
    expect(backlog()).toBe(0);
    history.delete('plan');
    history.close();
    expect(texts.some(isInFile)).toBe(false);
    expect(digests()).toHaveLength(1);
  });

  test('is not held up by another process that writes', () => {
    const lines = earlier(4);
    const history = openHistory(pathOf(), { busyTimeout: 0 });
    const place = history.beginTurn(asking('new', file(9)));
    const other = new DatabaseSync(pathOf());
    other.exec('BEGIN IMMEDIATE');
    expect([...history.export('plan')]).toEqual(lines);
    other.exec('ROLLBACK');
    other.close();
    history.endTurn(place.turnId, ended('x'));
    expect(backlog()).toBe(0);
    history.close();
  });

  test('survives kill -9 at any time: each turn is the same, moved or not', async () => {
    const lines = earlier(30);
    for (const steps of [0, 1, 2, 4]) {
      const { child, stdout, exit } = await moveAttachments([pathOf()]);
      await new Promise<void>((resolve) => {
        if (steps === 0) resolve();
        child.on('exit', () => resolve());
        child.stdout?.on('data', () => {
          if (stdout().split('\n').length > steps) resolve();
        });
      });
      child.kill('SIGKILL');
      await exit;
      const history = openHistory(pathOf());
      expect([...history.export()]).toEqual(lines);
      expect(history.verify().problems).toEqual([]);
      history.close();
    }
    const whole = await moveAttachments([pathOf()]);
    expect((await whole.exit).stdout).toMatch(/done\n$/);
    expect([backlog(), digests().length]).toEqual([0, 5]);
    const history = openHistory(pathOf());
    expect([...history.export()]).toEqual(lines);
    expect(history.verify().problems).toEqual([]);
    history.close();
  });

  test('another process writes between two steps', async () => {
    earlier(30);
    const { stdout, exit } = await moveAttachments([pathOf()]);
    const history = openHistory(pathOf());
    let count = 0;
    while (!stdout().includes('done')) {
      ask(history, `new ${count}`, file(20), { name: 'new', system: null });
      count += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await exit).code).toBe(0);
    expect(history.turns(history.find('new').id)).toHaveLength(count);
    expect([backlog(), digests().length]).toEqual([0, 6]);
    expect(history.verify().problems).toEqual([]);
    history.close();
  });

  test('a cllm that has it open since before says that it can not read a turn, and sends nothing in its place', () => {
    const history = openHistory(pathOf());
    ask(history, 'one', file(1));
    history.close();
    const [row] = stored<{ messages: string }>('SELECT messages FROM turns');
    expect(() => JSON.parse(row?.messages ?? '')).toThrow(SyntaxError);
  });
});
