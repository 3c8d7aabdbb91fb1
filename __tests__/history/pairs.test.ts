import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { History } from '../../src/history/history.ts';
import { pairText } from '../../src/history/pairs.ts';
import { rebuildSearch } from '../../src/history/verify.ts';
import { useChildScript } from '../support/child-script.ts';
import { addTurn, ended, newTurn, openHistory } from '../support/history-samples.ts';
import { oldHistory, takeRows } from '../support/old-history.ts';
import { seed } from '../support/seed.ts';
import { DatabaseSync } from '../support/sqlite.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const indexPairs = useChildScript('history/index-pairs.ts');
const pathOf = (): string => join(directory(), 'data', 'history.db');

const texts = {
  chinese: ['请解释数据库的事务隔离级别', '隔离级别有四种,可重复读是默认值。'],
  japanese: ['新しいAPIを使う方法は?', 'このライブラリはiPhone15でも動きます。東京タワー'],
  thai: ['อธิบายฐานข้อมูลให้ฟังหน่อย', 'ฐานข้อมูลเก็บข้อมูลไว้อย่างเป็นระเบียบ'],
  korean: ['대한민국의 수도는 어디입니까', '서울특별시입니다'],
  english: ['Explain databases', 'API and phone'],
};

function fill(history: History): History {
  for (const [name, [prompt = '', reply = '']] of Object.entries(texts))
    addTurn(history, prompt, reply, { name, system: null });
  return history;
}

const namesOf = (history: History, query: string): (string | null)[] => history.search(query).map(({ name }) => name);

const queries: [string, string[]][] = [
  ['数据', ['chinese']],
  ['隔离', ['chinese']],
  ['四', ['chinese']],
  ['值', ['chinese']],
  ['重复 事务', ['chinese']],
  ['隔级', []],
  ['使う', ['japanese']],
  ['タワ', ['japanese']],
  ['api', ['english', 'japanese']],
  ['APIを使', ['japanese']],
  ['いAPI', ['japanese']],
  ['iphone', ['japanese']],
  ['iPhone15でも', ['japanese']],
  ['phone', ['english']],
  ['api 方法', ['japanese']],
  ['api 数据', []],
  ['"新しいAPI" 東京', ['japanese']],
  ['ข้อมูล', ['thai']],
  ['เก็บ', ['thai']],
  ['민국', ['korean']],
  ['수도', ['korean']],
  ['특별', ['korean']],
  ['大阪', []],
  ['database', ['english']],
];

test.each(queries)('for %j finds %j', (query, names) => {
  expect(namesOf(fill(openHistory()), query)).toEqual(names);
});

describe('in texts that are too long for the index', () => {
  /** More than 64 KiB each, of which no query is a part. */
  const long = (text: string): string => `${'龘。'.repeat(12_000)}${text}${'。龘'.repeat(12_000)}`;
  const lengthen = (history: History): History => {
    for (const [name, [prompt = '', reply = '']] of Object.entries(texts)) {
      const isEnglish = name === 'english';
      addTurn(history, isEnglish ? prompt : long(prompt), isEnglish ? reply : long(reply), { name, system: null });
    }
    return history;
  };
  const longTexts = (path = pathOf()): number => {
    const database = new DatabaseSync(path);
    const { count } = database.prepare('SELECT count(*) AS count FROM turns_pairs_long').get() as { count: number };
    database.close();
    return count;
  };

  test('the same is found', () => {
    const history = lengthen(openHistory());
    for (const [query, names] of queries) expect([query, namesOf(history, query)]).toEqual([query, names]);
  });

  test('what is changed, deleted or built again is as with others', () => {
    const history = lengthen(openHistory(pathOf()));
    expect(longTexts()).toBe(8);
    history.delete('chinese');
    expect(longTexts()).toBe(6);
    expect([namesOf(history, '数据'), namesOf(history, '使う')]).toEqual([[], ['japanese']]);
    const { conversationId, turnId } = history.beginTurn(newTurn('短い', { name: 'new', system: null }));
    const end = (text: string): void => history.endTurn(turnId, ended(text));
    for (const reply of [long('名古屋'), '札幌市', long('京都')]) end(reply);
    expect(['古屋', '幌市', '京都'].map((query) => history.search(query).length)).toEqual([0, 0, 1]);
    expect(longTexts()).toBe(7);
    history.delete(conversationId);
    expect([longTexts(), history.verify().problems]).toEqual([6, []]);
    history.close();
  });

  test('an index that is built again has them where they were', () => {
    const path = join(directory(), 'new.db');
    lengthen(openHistory(path)).close();
    const database = oldHistory(pathOf(), 4);
    takeRows(database, path);
    database.close();
    const history = openHistory(pathOf());
    for (const [query, names] of queries) expect([query, namesOf(history, query)]).toEqual([query, names]);
    expect(longTexts()).toBe(8);
    expect(history.verify().problems).toEqual([]);
    history.close();
  });
});

test('the excerpt is around the match, which is marked', () => {
  const history = openHistory();
  addTurn(history, `${'前'.repeat(100)}東京${'後'.repeat(100)}`, 'x');
  const [hit] = history.search('東京');
  expect(hit?.excerpt).toEqual([
    { text: '…', isMatch: false },
    { text: '前'.repeat(24), isMatch: false },
    { text: '東京', isMatch: true },
    { text: `${'後'.repeat(70)}…`, isMatch: false },
  ]);
});

test('filters and the limit hold, the latest first', () => {
  const history = openHistory();
  for (const name of ['a', 'b', 'c']) addTurn(history, `${name} 東京都`, 'x', { name, system: null });
  expect(namesOf(history, '京都')).toEqual(['c', 'b', 'a']);
  expect(history.search('京都', { limit: 2 }).map(({ name }) => name)).toEqual(['c', 'b']);
  expect(history.search('京都', { filter: { verdict: 'cut' } })).toEqual([]);
  expect(history.search('京都', { filter: { model: 'fake-model' }, limit: 1 })).toHaveLength(1);
});

test('whatever was cut out of a text is found in it, and nothing that is in none', () => {
  const unit = fc.constantFrom(...Array.from('東京都大阪府ですかกขค한국어ab 1。'));
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit, minLength: 2, maxLength: 20 }), { minLength: 1, maxLength: 8 }),
      fc.nat(),
      fc.nat(),
      (all, which, where) => {
        const history = openHistory();
        for (const text of all) addTurn(history, text, '');
        const text = all[which % all.length] as string;
        const query = text.slice(where % (text.length - 1)).slice(0, 2);
        // Of two letters the word index knows the beginnings, which is what the other tests hold.
        if (!/^[^\s\da-z。]{2}$/.test(query)) return;
        expect(history.search(query)).toHaveLength(all.filter((each) => each.includes(query)).length);
        history.close();
      },
    ),
    { seed, numRuns: 200 },
  );
});

test('what is deleted or replaced is no longer found, and not in the file', () => {
  const history = fill(openHistory(pathOf()));
  const { conversationId, turnId } = history.beginTurn(newTurn('京都タワー'));
  const end = (reply: string): void =>
    history.endTurn(turnId, {
      completion: {
        id: 'c',
        object: 'chat.completion',
        created: 1,
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content: reply }, finish_reason: 'stop' }],
        usage: null,
      },
      verdict: 'complete',
      error: null,
      receipt: null,
    });
  end('名古屋');
  end('札幌市');
  expect([history.search('古屋').length, history.search('幌市').length]).toEqual([0, 1]);
  history.delete(conversationId);
  expect([history.search('幌市').length, history.search('京都').length]).toEqual([0, 0]);
  expect(namesOf(history, 'タワ')).toEqual(['japanese']);
  expect(history.verify().problems).toEqual([]);
  history.close();
  const database = new DatabaseSync(pathOf());
  database.exec("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, 'turns_pairs', 'row')");
  const terms = database.prepare('SELECT term FROM terms').all() as { term: string }[];
  database.close();
  expect(terms.map(({ term }) => term)).toEqual(
    [...new Set(Object.values(texts).flatMap(([prompt, reply]) => `${pairText(prompt)} ${pairText(reply)}`.split(' ')))]
      .filter((term) => term !== '')
      .toSorted(),
  );
});

describe('a history of an earlier cllm', () => {
  /** With as many rows again as a step takes, of which the oldest is looked for. */
  function earlier(count = 1200): void {
    fill(openHistory(join(directory(), 'new.db'))).close();
    const database = oldHistory(pathOf(), 4);
    takeRows(database, join(directory(), 'new.db'));
    const [sample] = database.prepare('SELECT * FROM turns WHERE prompt = ?').all(texts.english[0]) as {
      conversation_id: string;
    }[];
    const insert = database.prepare(
      `INSERT INTO turns (id, conversation_id, seq, model, created_at, prompt_checksum, prompt, messages) VALUES (?, ?, ?, 'm', '2026', 0, ?, '[]')`,
    );
    database.exec('BEGIN');
    for (let at = 0; at < count; at += 1)
      insert.run(`t${at}`, sample?.conversation_id ?? '', at + 2, at === 0 ? '最初の質問' : `第${at}問`);
    database.exec('COMMIT');
    database.close();
  }

  const backlog = (): number => {
    const database = new DatabaseSync(pathOf());
    const { up_to } = database.prepare('SELECT up_to FROM turns_pairs_backlog').get() as { up_to: number };
    database.close();
    return up_to;
  };

  test('is searched whole at once, and has its index after it', () => {
    earlier();
    const history = openHistory(pathOf());
    expect(backlog()).toBe(1205);
    expect(history.search('初の')).toHaveLength(1);
    expect(backlog()).toBe(0);
    expect(history.search('初の')).toHaveLength(1);
    expect(namesOf(history, '数据')).toEqual(['chinese']);
    expect(history.search('問', { limit: 5000 })).toHaveLength(1200);
    history.close();
  });

  test('is searched whole while another process writes, which waits for no more than a step', () => {
    earlier();
    const history = openHistory(pathOf(), { busyTimeout: 0 });
    const other = new DatabaseSync(pathOf());
    other.exec('BEGIN IMMEDIATE');
    expect(history.search('初の')).toHaveLength(1);
    expect(history.search('問', { limit: 5000 })).toHaveLength(1200);
    expect(backlog()).toBe(1205);
    other.exec('ROLLBACK');
    other.close();
    history.close();
  });

  test('changes and deletes turns that are not in the index yet, and those that are', () => {
    earlier();
    const history = openHistory(pathOf());
    history.delete('chinese');
    addTurn(history, '新しい質問', '答え', { name: 'new', system: null });
    expect(namesOf(history, '質問')).toEqual(['new', 'english']);
    history.delete('japanese');
    history.delete('new');
    expect(namesOf(history, '質問')).toEqual(['english']);
    expect(namesOf(history, '数据')).toEqual([]);
    expect(namesOf(history, '使う')).toEqual([]);
    history.close();
  });

  test('survives kill -9 at any time: what was done is done, and the next process goes on', async () => {
    earlier(6000);
    for (const lines of [0, 1, 3, 5]) {
      const { child, stdout, exit } = await indexPairs([pathOf()]);
      await new Promise<void>((resolve) => {
        if (lines === 0) resolve();
        child.on('exit', () => resolve());
        child.stdout?.on('data', () => {
          if (stdout().split('\n').length > lines) resolve();
        });
      });
      child.kill('SIGKILL');
      await exit;
      const history = openHistory(pathOf());
      expect(history.search('初の')).toHaveLength(1);
      expect(history.verify().problems.filter(({ kind }) => kind === 'search' || kind === 'page')).toEqual([]);
      history.close();
      const database = new DatabaseSync(pathOf());
      rebuildSearch({ execute: (sql) => database.exec(sql) });
      database.close();
    }
    const whole = await indexPairs([pathOf()]);
    expect((await whole.exit).stdout).toMatch(/done\n$/);
    expect(backlog()).toBe(0);
    const history = openHistory(pathOf());
    expect(history.search('問', { limit: 10_000 })).toHaveLength(6000);
    history.close();
  });

  test('another process writes between two steps', async () => {
    earlier(6000);
    const { stdout, exit } = await indexPairs([pathOf()]);
    const history = openHistory(pathOf());
    let count = 0;
    while (!stdout().includes('done')) {
      addTurn(history, `書込み${count}`, '答え', { name: 'new', system: null });
      count += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await exit).code).toBe(0);
    expect(history.search('書込', { limit: 10_000 })).toHaveLength(count);
    expect(history.search('初の')).toHaveLength(1);
    history.close();
  });
});
