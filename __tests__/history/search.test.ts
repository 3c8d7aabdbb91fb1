import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addTurn, ended, newTurn, openHistory } from '../support/history-samples.ts';
import { seed } from '../support/seed.ts';

function samples() {
  const history = openHistory();
  addTurn(history, 'Explain server-sent events', 'A stream of “data:” lines.', { name: 'sse', system: null });
  addTurn(history, 'Wie groß ist München?', '310 km² größer als gedacht');
  addTurn(history, 'C++ or Rust?', 'NEAR tie: "OR" AND NOT (x)* ^y col:z');
  return history;
}

describe('search', () => {
  test.each([
    ['server events', ['Explain server-sent events']],
    ['serv', ['Explain server-sent events']],
    ['"server sent"', ['Explain server-sent events']],
    ['"sent server"', []],
    ['STREAM data', ['Explain server-sent events']],
    ['munchen', ['Wie groß ist München?']],
    ['GRÖSSER', []],
    ['größer', ['Wie groß ist München?']],
    ['OR', ['C++ or Rust?']],
    ['rust NOT', ['C++ or Rust?']],
    ['(x)* ^y col:z', ['C++ or Rust?']],
    ['"unclosed', []],
    ['" "', []],
    ['+ - * ^ : ( ) { }', []],
    ['', []],
    ["' OR 1=1 --", []],
  ])('for %j finds %j', (query, titles) => {
    expect(
      samples()
        .search(query)
        .map(({ title }) => title),
    ).toEqual(titles);
  });

  test('gives the latest first, and limit cuts it', () => {
    const history = openHistory();
    for (const prompt of ['apple one', 'apple two', 'apple three']) addTurn(history, prompt, 'ok');
    expect(history.search('apple').map(({ title }) => title)).toEqual(['apple three', 'apple two', 'apple one']);
    expect(history.search('apple', { limit: 2 })).toHaveLength(2);
  });

  test('marks the words that matched', () => {
    const [hit] = samples().search('stream');
    expect(hit).toMatchObject({ name: 'sse', seq: 1, createdAt: expect.any(String) });
    expect(hit?.excerpt).toEqual([
      { text: 'A ', isMatch: false },
      { text: 'stream', isMatch: true },
      { text: ' of “data:” lines.', isMatch: false },
    ]);
  });

  test('is safe for any text', () => {
    const history = samples();
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string({ unit: fc.constantFrom('"', '*', '(', 'a', ' ', '\0', '-', ':', '^', '+') }),
        ),
        (query) => {
          expect(Array.isArray(history.search(query))).toBe(true);
        },
      ),
      { seed, numRuns: 500 },
    );
  });
});

describe('a prompt of more than 64 KiB', () => {
  const long = (word: string): string => `${'lorem '.repeat(12_000)}${word}`;

  test('is found once its turn has ended, however often it is ended', () => {
    const history = openHistory();
    const { turnId } = history.beginTurn(newTurn(long('wanted')));
    expect([history.search('wanted'), history.verify().problems]).toEqual([[], []]);
    for (const reply of ['first', 'second']) history.endTurn(turnId, ended(reply));
    const found = (query: string): number => history.search(query).length;
    expect([found('wanted'), found('wanted second'), found('first')]).toEqual([1, 1, 0]);
    expect(history.verify().problems).toEqual([]);
  });

  test('leaves nothing behind when its turn is deleted before its end', () => {
    const history = openHistory();
    const { conversationId } = history.beginTurn(newTurn(long('wanted')));
    addTurn(history, 'another one', 'kept');
    history.delete(conversationId);
    expect([history.search('wanted'), history.search('kept').length]).toEqual([[], 1]);
    expect(history.verify().problems).toEqual([]);
  });

  test.each(['verify', 'rebuildSearch'] as const)('may end after %s', (look) => {
    const history = openHistory();
    const { turnId } = history.beginTurn(newTurn(long('wanted')));
    history[look]();
    history.endTurn(turnId, ended('reply'));
    expect(history.search('wanted reply')).toHaveLength(1);
    expect(history.verify().problems).toEqual([]);
  });
});
