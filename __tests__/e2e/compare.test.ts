import { readFileSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { endsBeside, inColumns } from '../../src/cli/commands/compare/columns.ts';
import { CompareProgress } from '../../src/cli/commands/compare/progress.ts';
import type { Output } from '../../src/terminal/output.ts';
import { width } from '../../src/terminal/width.ts';
import {
  errorReply,
  type FakeUpstream,
  finishChunk,
  startFakeUpstream,
  textChunk,
  textReply,
} from '../support/fake-upstream.ts';
import { ParsedPage, textOf } from '../pages/parsed-page.ts';
import { CliHome } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  upstream.fallback = (request) => {
    const model = request.body.model ?? '';
    if (model === 'broken') return errorReply(400, 'no');
    const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7, cost: 0.01 };
    return { ...textReply(`I am ${model}.`, { usage })(request), delay: model === 'slow' ? 150 : 0 };
  };
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

test('compare asks every model at once and prints each reply under its model, with cost and first-token time', async () => {
  const { code, stdout } = await home.run(['compare', '-m', 'slow', '-m', 'quick', 'who', 'are you?'], {
    stdin: 'a file',
  });
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^== slow · \$0\.01 · first token \S+ s · \S+ s in all · 2 tokens\n\nI am slow\.\n\n== quick · /,
  );
  expect(new Set(upstream.chatRequests.map(({ body }) => body.model))).toEqual(new Set(['quick', 'slow']));
  expect(upstream.chatRequests[0]?.body.messages).toEqual(upstream.chatRequests[1]?.body.messages);
  expect(upstream.chatRequests[0]?.body.messages?.[0]?.content).toContain('a file');
});

test('compare gives one result a line in JSON, the quickest first', async () => {
  const { code, stdout } = await home.run(['compare', '-m', 'slow', '-m', 'quick', '--output-format', 'json', 'who?']);
  expect(code).toBe(0);
  const results = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(results).toMatchObject([
    {
      type: 'result',
      model: 'quick',
      is_error: false,
      result: 'I am quick.',
      total_cost_usd: 0.01,
      ttft_ms: expect.any(Number),
    },
    { type: 'result', model: 'slow', result: 'I am slow.' },
  ]);
});

test('compare ends with 11 when some models fail, and with their error when all do', async () => {
  const some = await home.run(['compare', '-m', 'broken', '-m', 'quick', 'hi']);
  expect(some.code).toBe(11);
  expect(some.stdout).toContain('== broken · no reply: ');
  expect(some.stdout).toContain('I am quick.');
  expect((await home.run(['compare', '-m', 'broken', '-m', 'broken', 'hi'])).code).toBe(1);
});

test('--html puts all replies into one page, beside what is printed, also those that failed', async () => {
  const words = ['compare', '-m', 'broken', '-m', 'quick', '--html', 'all.html', 'who <b>is</b> it?'];
  const { code, stdout, stderr } = await home.run(words);
  expect(code).toBe(11);
  expect(stdout).toContain('I am quick.');
  expect(stderr).toContain('wrote all.html');
  const page = new ParsedPage(readFileSync(home.at('all.html'), 'utf8'));
  const textsOf = (name: string): string[] => page.named(name).map(textOf);
  expect(textsOf('h1')).toEqual(['who <b>is</b> it?']);
  expect(textsOf('h2')).toEqual(['broken', 'quick']);
  expect(textsOf('article')[0]).toMatch(/No reply: .*\((\w+)\)/);
  expect(textsOf('article')[1]).toMatch(/I am quick\.[^]*\$0\.01/);
  expect(page.classed('prompt')).toHaveLength(1);
  expect(page.classed('compared')).toHaveLength(1);
  expect(statSync(home.at('all.html')).mode & 0o777).toBe(0o600);
});

test('--html that can not be written is refused before anybody is asked', async () => {
  const { code, stderr } = await home.run(['compare', '-m', 'a', '-m', 'b', '--html', 'no/such/all.html', 'hi']);
  expect(code).toBe(2);
  expect(stderr).toContain('--html no/such/all.html can not be written');
  expect(upstream.chatRequests).toEqual([]);
});

test('compare wants two models', async () => {
  const { code, stderr } = await home.run(['compare', '-m', 'one', 'hi']);
  expect(code).toBe(2);
  expect(stderr).toContain('two models or more');
});

test('compare keeps nothing in the history', async () => {
  await home.run(['compare', '-m', 'a', '-m', 'b', 'hi']);
  expect((await home.run(['history', 'list'])).stdout).toBe('');
});

describe('at a terminal', () => {
  test('a line for each model says how far it is, and goes when the replies are there', async () => {
    let goOn = (): void => {};
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    upstream.fallback = (request) => {
      const model = request.body.model ?? '';
      if (model === 'broken') return errorReply(400, 'no');
      const text = { data: textChunk(`I am ${model}.`) };
      return { steps: [...(model === 'silent' ? [{ gate }] : [text, { gate }, text]), { data: finishChunk() }] };
    };
    const models = ['silent', 'talking', 'broken'].flatMap((model) => ['-m', model]);
    const terminal = new Terminal(home, ['compare', ...models, 'who?'], { columns: 120 });
    try {
      await terminal.until(/^silent {3}waiting · \d+\.\d s$/m);
      await terminal.until(/^talking {2}writing · 13 characters · \d+\.\d s$/m);
      await terminal.until(/^broken {3}failed · \d+\.\d s$/m);
      goOn();
      expect(await terminal.exitCode).toBe(11);
      expect(terminal.rows[0]).toMatch(/^silent +talking +broken$/);
      expect(terminal.text).not.toMatch(/characters|waiting/);
    } finally {
      terminal.close();
    }
  });

  test('the replies grow beside each other below these lines, as far as there is room', async () => {
    let goOn = (): void => {};
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    upstream.fallback = (request) => {
      const text = `${request.body.model} ${'says\u001b[2J a long thing '.repeat(40)}end`;
      return { steps: [{ data: textChunk(text) }, { gate }, { data: finishChunk() }] };
    };
    const screen = { columns: 80, rows: 12 };
    const terminal = new Terminal(home, ['compare', '-m', 'one', '-m', 'two', 'who?'], screen);
    try {
      await terminal.until(/thing end {2,}\S.*thing end$|end {2,}.*end$/m);
      expect(terminal.rows.length).toBeLessThan(12);
      expect(terminal.rows.filter((row) => row.startsWith('one '))).toHaveLength(1);
      expect(terminal.output).not.toContain('\u001b[2J');
      goOn();
      expect(await terminal.exitCode).toBe(0);
      expect(terminal.rows[0]).toMatch(/^one +two$/);
    } finally {
      terminal.close();
    }
  });

  test('on a terminal with few rows no frame leaves a copy above, also after it was made lower', async () => {
    let goOn = (): void => {};
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    upstream.fallback = () => ({ steps: [{ gate }, { data: textChunk('Here.') }, { data: finishChunk() }] });
    const models = Array.from({ length: 12 }, (_, at) => ['-m', `model-${at}`]).flat();
    const terminal = new Terminal(home, ['compare', ...models, 'who?'], { columns: 80, rows: 8 });
    const seconds = (): Set<string> => new Set(terminal.output.match(/\d+\.\d s/g));
    const copies = (): number => terminal.rows.filter((row) => row.startsWith('model-0 ')).length;
    try {
      await terminal.until(() => seconds().size > 3);
      await terminal.until(({ rows }) => rows.length === 7 && rows[6] === 'and 6 more, 0 of them ended');
      expect(copies()).toBe(1);
      terminal.resize(80, 5);
      await terminal.until(/and 9 more/);
      const after = copies();
      const seen = seconds().size;
      await terminal.until(() => seconds().size > seen + 3);
      expect(copies()).toBeLessThanOrEqual(after);
      goOn();
      expect(await terminal.exitCode).toBe(0);
    } finally {
      terminal.close();
    }
  });

  test('there is none where cursor codes are not wanted', async () => {
    const terminal = new Terminal(home, ['compare', '-m', 'slow', '-m', 'quick', 'who?'], { env: { NO_COLOR: '1' } });
    try {
      expect(await terminal.exitCode).toBe(0);
      expect(terminal.rows[0]).toBe('cllm: asking slow, quick');
      expect(terminal.output).not.toContain('\u001b');
    } finally {
      terminal.close();
    }
  });
});

test.each([{}, { NO_COLOR: '1' }])('with -q a terminal sees the replies alone: env %j', async (env) => {
  const terminal = new Terminal(home, ['compare', '-q', '-m', 'quick', '-m', 'other', 'who?'], { env });
  try {
    expect(await terminal.exitCode).toBe(0);
    expect(terminal.rows[0]).toMatch(/^quick +other$/);
  } finally {
    terminal.close();
  }
});

test('compare says nothing of its progress in a pipe', async () => {
  // More than the ten from which on Node warns of listeners.
  const models = Array.from({ length: 12 }, (_, at) => ['-m', `model-${at}`]).flat();
  const { stderr } = await home.run(['compare', ...models, 'who?']);
  expect(stderr).toBe('');
});

test.each([
  [50, 20, 'and 6 more, 1 of them ended'],
  [8, 7, 'and 19 more, 1 of them ended'],
  [2, 1, '25 models, 1 of them ended'],
])('progress keeps to the width and to %i rows of any terminal, and comes only after a while', (rows, most, rest) => {
  let [text, time] = ['', 0];
  let tick = (): void => {};
  const output = {
    isTTY: true,
    isStyled: false,
    reflows: true,
    columns: 30,
    write: (piece: string) => void (text += piece),
    stream: () => ({ rows }),
  };
  const models = ['日本語'.repeat(20), ...Array.from({ length: 24 }, (_, at) => `model-${at}\u001b[2J`)];
  const progress = new CompareProgress(
    output as unknown as Output,
    models,
    () => time,
    (_milliseconds, act) => {
      tick = act;
      return () => {};
    },
  );
  tick();
  expect(text).toBe('');
  time = 1000;
  progress.ended(22, true);
  tick();
  // The cursor stands below them.
  const lines = text.split('\n').slice(0, -1);
  expect(lines).toHaveLength(most);
  expect(lines.at(-1)).toBe(rest);
  for (const line of lines) expect(width(line)).toBeLessThan(30);
  expect(text).not.toContain('\u001b');
  text = '';
  progress.end();
  expect(text).toContain(`\u001b[${most}A\r\u001b[K`);
});

const plain = { heading: (text: string) => text, footer: (text: string) => text };

test('the ends of growing replies are as wide and as high as there is room, or are not shown', () => {
  const long = `first\n${'日本語 word '.repeat(200)}last`;
  const rows = endsBeside([long, 'short', ''], 90, 6);
  expect(rows).toHaveLength(6);
  expect(rows[0]).toBe('');
  for (const row of rows) expect(width(row)).toBeLessThanOrEqual(90);
  expect(rows.join('\n')).toMatch(/last/);
  expect(rows.join('\n')).toContain('short');
  expect(endsBeside([long, long, long, long], 90, 6)).toEqual([]);
  expect(endsBeside([long, long], 90, 2)).toEqual([]);
  expect(endsBeside(['', ' '], 90, 6)).toEqual([]);
});

test('columns stand beside each other, wrapped, with escapes for what would drive a terminal', () => {
  const text = inColumns(
    [
      { heading: 'one', text: 'a reply that is longer than its column', footer: '$1' },
      { heading: 'two', text: '日本語\u001b[2J', footer: '$2' },
    ],
    60,
    plain,
  );
  expect(text).toBe(
    [
      'one                            two',
      '',
      'a reply that is longer than    日本語\\x1b[2J',
      'its column',
      '',
      '$1                             $2',
      '',
    ].join('\n'),
  );
});

test('columns stand below each other where there is no room', () => {
  const columns = ['one', 'two', 'three'].map((heading) => ({ heading, text: 'text', footer: '$' }));
  expect(inColumns(columns, 40, plain)).toBe('one\n\ntext\n\n$\n\ntwo\n\ntext\n\n$\n\nthree\n\ntext\n\n$\n');
});
