import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { errorReply, type FakeUpstream, lastText, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome, type CliOptions, type CliResult } from '../support/run-cli.ts';

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  upstream.fallback = (request) => textReply(`re: ${lastText(request)}`)(request);
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
  mkdirSync(home.at('.cllm', 'templates'), { recursive: true });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

const write = (name: string, text: string): void => writeFileSync(home.at(name), text);
const template = (text: string, name = 't'): void => write(`.cllm/templates/${name}.md`, text);
const batch = (args: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
  home.run(['batch', ...args], { cwd: home.at('.'), ...options });

type Row = Record<string, any>;
const results = (name = 'out.jsonl'): Row[] =>
  readFileSync(home.at(name), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Row)
    .toSorted((one, other) => one['line'] - other['line']);

const sorts =
  '---\nmodel: m1\nsystem: "In {{ lang }}."\nvariables:\n  text: { default: null, description: what to sort }\n  lang: English\n---\nSort: {{ text }}\n';

test('the columns of a table are the variables, and the results say which template it was', async () => {
  template(sorts);
  write('rows.csv', '\uFEFFcustom_id;text;lang;other\r\n1;"a; ""b""";;x\r\n2;"c\r\nd";Deutsch;y\r\n');
  const args = ['rows.csv', '-t', 't', '-o', 'out.jsonl', '--reporter', 'junit,markdown,github'];
  const { code, stderr } = await batch(args, { env: { GITHUB_OUTPUT: home.at('outputs') } });
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  expect(stderr).toContain('rows.csv: not in the template, and not sent: "other"');
  const digest = `sha256:${createHash('sha256').update(sorts).digest('hex')}`;
  const kept = { name: 't', digest };
  expect(results()).toMatchObject([
    { custom_id: '1', line: 2, result: 're: Sort: a; "b"', template: kept },
    { custom_id: '2', line: 3, result: 're: Sort: c\r\nd', template: kept },
  ]);
  const systems = upstream.chatRequests.map(({ body }) => (body as Row)['messages'][0].content as string);
  expect(systems.toSorted()).toEqual(['In Deutsch.', 'In English.']);
  for (const report of ['out.md', 'out.junit.xml', 'outputs'])
    expect(readFileSync(home.at(report), 'utf8')).toContain(digest);
});

test('a second run goes on, and one with another template or another row says so', async () => {
  template(sorts);
  write('rows.tsv', 'text\tlang\n5" wide\tEnglish\nb\t\n');
  upstream.fallback = (request) => (lastText(request).includes('b') ? errorReply(400, 'no') : textReply('ok')(request));
  expect((await batch(['rows.tsv', '-t', 't', '-o', 'out.jsonl'])).code).toBe(11);
  upstream.fallback = textReply('ok');
  const again = await batch(['rows.tsv', '-t', 't', '-o', 'out.jsonl', '--shard', '1/1']);
  expect({ code: again.code, asked: upstream.chatRequests.length }).toEqual({ code: 0, asked: 3 });
  expect(results()).toMatchObject([
    { line: 2, is_error: false },
    { line: 3, is_error: false },
  ]);
  template(`${sorts}!`);
  const other = await batch(['rows.tsv', '-t', 't', '-o', 'out.jsonl']);
  expect({ code: other.code, asked: upstream.chatRequests.length }).toEqual({ code: 2, asked: 3 });
  expect(other.stderr).toContain('line 2 of the input, or its template, has changed');
  for (const shard of ['1/2', '2/2'])
    expect((await batch(['rows.tsv', '-t', 't', '-o', `${shard[0]}.jsonl`, '--shard', shard])).code).toBe(0);
  expect([results('1.jsonl'), results('2.jsonl')].map((each) => each.map(({ line }) => line as number))).toEqual([
    [3],
    [2],
  ]);
});

test('a row that can not be asked is an error of its own; standard input may be a table', async () => {
  template(sorts);
  const args = ['-', '--input-format', 'csv', '-t', 't', '--var', 'lang=en', '-o', 'out.jsonl'];
  const { code } = await batch(args, { stdin: 'custom_id,text\na,x\nb,\nc,y,z\na,again\n' });
  expect(code).toBe(11);
  expect(results()).toMatchObject([
    { line: 2, custom_id: 'a', is_error: false },
    { line: 3, custom_id: 'b', error: { code: 'input_invalid', message: 'line 3: the cell of text is empty' } },
    { line: 4, custom_id: 'c', error: { message: 'line 4: has 3 cells, and the heading 2' } },
    { line: 5, custom_id: null, error: { message: 'line 5 has the custom_id of an earlier line' } },
  ]);
});

test('--dry-run says what all rows would take', async () => {
  template(sorts);
  write('rows.csv', 'text\nx\n\nyy\n');
  const { code, stdout } = await batch(['rows.csv', '-t', 't', '--dry-run', '--output-format', 'json']);
  expect({ code, sent: upstream.chatRequests.length }).toEqual({ code: 0, sent: 0 });
  const shown = JSON.parse(stdout) as Row;
  expect(shown).toMatchObject({ lines: 2, invalid_lines: 0 });
  expect(JSON.stringify(shown['first_request'])).toContain('In English.');
});

test('files and commands of the template are taken once, and its form holds for each row', async () => {
  write('style.txt', 'be kind');
  template(
    '---\nmodel: m1\nfiles: [style.txt]\nextract: true\nvariables: { text: null }\ncontext: [{ name: once, run: [sh, -c, "echo x >> runs; cat runs"] }]\n---\n{{ text }}',
  );
  write('rows.csv', 'text\na\nb\n');
  const untrusted = await batch(['rows.csv', '-t', 't', '-o', 'out.jsonl']);
  expect({ code: untrusted.code, sent: upstream.chatRequests.length }).toEqual({ code: 2, sent: 0 });
  const [, digest = ''] = /--trust-template (sha256:\w{64})/.exec(untrusted.stderr) ?? [];
  upstream.fallback = textReply('```\ncode\n```');
  expect((await batch(['rows.csv', '-t', 't', '-o', 'out.jsonl', '--trust-template', digest])).code).toBe(0);
  expect(results().map(({ result }) => result as string)).toEqual(['code\n', 'code\n']);
  expect(readFileSync(home.at('runs'), 'utf8')).toBe('x\n');
  for (const request of upstream.chatRequests)
    expect(lastText(request)).toMatch(/^[ab]\n\n<context name="once"[^]*\nx\n<\/context>\n\n<file name="style.txt">/);
});

test.each<[string, string, string[], string]>([
  ['a heading twice', 'text,text\n1,2\n', [], 'two columns have the heading "text"'],
  [
    'columns without an end',
    `${Array.from({ length: 20_000 }, (_, at) => `c${at}`).join(',')}\n`,
    [],
    'has 20000 columns',
  ],
  ['a heading that is missing', 'text,\n1,2\n', [], 'column 2 has no heading'],
  ['a variable without a column', 'txt\n1\n', [], 'has no column text, which the template t needs'],
  ['a column and a --var of one name', 'text\n1\n', ['--var', 'text=x'], '--var text: rows.csv has a column'],
  ['a --var that there is not', 'text\n1\n', ['--var', 'txt=x'], 'did you mean text?'],
  ['a quote without an end', 'text\n"x\n', [], 'row 2 has a quote without an end'],
  ['nothing below its heading', 'text\n', [], 'holds no prompt'],
  ['Latin-1', 'text\n\xfc\n', [], 'no UTF-8 text'],
])('a table with %s is exit code 2, and nothing is sent', async (_what, rows, args, message) => {
  template(sorts);
  writeFileSync(home.at('rows.csv'), rows, 'latin1');
  const { code, stderr } = await batch(['rows.csv', '-t', 't', '-o', 'out.jsonl', ...args]);
  expect({ code, sent: upstream.chatRequests.length }).toEqual({ code: 2, sent: 0 });
  expect(stderr).toContain(message);
});

test.each<[string, string, string]>([
  ['names what there is not', '{{ nobody }} {{ text }}', 'names a variable that has no value'],
  ['names standard input', '---\nvariables: { text: null }\n---\n{{ text }} {{ input }}', 'a row has none'],
  [
    'has a command that names a column',
    '---\nvariables: { text: null }\ncontext: [{ name: x, run: [echo, "{{ text }}"] }]\n---\nhi',
    'names text, which is another one in each row',
  ],
])('a template that %s is exit code 2 for the whole table', async (_what, text, message) => {
  template(text);
  expect((await home.run(['templates', 'trust', 't'], { cwd: home.at('.') })).code).toBe(0);
  write('rows.csv', 'text\na\nb\n');
  const { code, stderr } = await batch(['rows.csv', '-t', 't', '-o', 'out.jsonl', '-m', 'm1']);
  expect({ code, sent: upstream.chatRequests.length }).toEqual({ code: 2, sent: 0 });
  expect(stderr).toContain(message);
});

test('a template without a table, and a table without a template, are exit code 2', async () => {
  template(sorts);
  write('rows.jsonl', '{"prompt":"x"}\n');
  const lines = await batch(['rows.jsonl', '-t', 't', '-o', 'out.jsonl']);
  expect({ code: lines.code, isTold: lines.stderr.includes('the rows of a table') }).toEqual({ code: 2, isTold: true });
  const stray = await batch(['rows.jsonl', '--var', 'a=b', '-o', 'out.jsonl']);
  expect({ code: stray.code, isTold: stray.stderr.includes('name it with -t') }).toEqual({ code: 2, isTold: true });
});
