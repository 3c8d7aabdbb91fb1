import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { errorReply, type FakeUpstream, lastText, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome, type CliResult } from '../support/run-cli.ts';

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  upstream.fallback = (request) => textReply(`re: ${lastText(request)}`, { usage: { ...usage, cost: 0.01 } })(request);
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 };

type Row = Record<string, any>;

function rows(name = 'out.jsonl'): Row[] {
  const text = readFileSync(home.at(name), 'utf8');
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Row);
}

const byLine = (name?: string): Row[] => rows(name).toSorted((a, b) => a['line'] - b['line']);

function write(name: string, lines: unknown[]): string {
  writeFileSync(
    home.at(name),
    lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''),
  );
  return home.at(name);
}

async function batch(...args: string[]): Promise<CliResult> {
  return home.run(['batch', ...args]);
}

describe('the input', () => {
  test('is plain lines, blank ones left out', async () => {
    const input = write('in.txt', ['one', '', '  two  ']);
    const { code, stdout } = await batch(input, '-o', home.at('out.jsonl'));
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(byLine()).toMatchObject([
      {
        type: 'result',
        custom_id: null,
        line: 1,
        result: 're: one',
        verdict: 'complete',
        is_error: false,
        exit_code: 0,
      },
      { type: 'result', custom_id: null, line: 3, result: 're:   two  ' },
    ]);
  });

  test('is JSON lines: a prompt or messages, with fields of the request and a system prompt', async () => {
    const input = write('in.jsonl', [
      { custom_id: 'a', prompt: 'one', temperature: 0.1, model: 'other' },
      {
        custom_id: 'b',
        messages: [
          { role: 'system', content: 'own' },
          { role: 'user', content: 'two' },
        ],
      },
      { prompt: 'three', system: 'mine', seed: 3 },
    ]);
    await batch(input, '-o', home.at('out.jsonl'), '-s', 'of all', '--temperature', '0.9', '-p', 'top_k=4');
    const sent = new Map(upstream.chatRequests.map((request) => [lastText(request), request.body]));
    expect(sent.get('one')).toMatchObject({
      model: 'other',
      temperature: 0.1,
      top_k: 4,
      messages: [{ role: 'system', content: 'of all' }, {}],
    });
    expect(sent.get('two')).toMatchObject({
      model: 'test-model',
      temperature: 0.9,
      messages: [{ role: 'system', content: 'own' }, {}],
    });
    expect(sent.get('three')).toMatchObject({ seed: 3, messages: [{ role: 'system', content: 'mine' }, {}] });
    expect(sent.get('one')).not.toHaveProperty('custom_id');
    expect(sent.get('three')).not.toHaveProperty('system');
    expect(byLine().map((row) => row['custom_id'])).toEqual(['a', 'b', null]);
  });

  test("is OpenAI's batch form, and needs no model beside it", async () => {
    const body = { model: 'theirs', messages: [{ role: 'user', content: 'hi' }], max_tokens: 5 };
    const input = write('in.jsonl', [{ custom_id: 'x', method: 'POST', url: '/v1/chat/completions', body }]);
    const { code } = await home.run(['batch', input, '-o', home.at('out.jsonl')], { env: { CLLM_MODEL: undefined } });
    expect(code).toBe(0);
    expect(upstream.chatRequests[0]?.body).toMatchObject(body);
  });

  test('comes from standard input', async () => {
    const { code } = await home.run(['batch', '-', '-o', home.at('out.jsonl')], { stdin: 'one\ntwo' });
    expect(code).toBe(0);
    expect(byLine().map((row) => row['result'])).toEqual(['re: one', 're: two']);
  });

  test('with lines that make no sense gives each of them an error that names it, and asks for the others', async () => {
    const input = write('in.jsonl', [
      { prompt: 'fine' },
      '{"prompt": "torn',
      { nothing: 1 },
      '[1]',
      { custom_id: 'e', url: '/v1/embeddings', body: { input: 'x' } },
      { prompt: 'x', api_base: 'http://evil' },
      { custom_id: 'same', prompt: 'first' },
      { custom_id: 'same', prompt: 'second' },
    ]);
    const { code, stderr } = await batch(input, '-o', home.at('out.jsonl'));
    expect(code).toBe(11);
    const bad = byLine().filter((row) => row['is_error']);
    expect(bad.map((row) => row['line'])).toEqual([2, 3, 4, 5, 6, 8]);
    for (const row of bad) {
      expect(row).toMatchObject({ verdict: null, exit_code: 2, completion: null, error: { code: 'input_invalid' } });
      expect(row['error'].message).toContain(`line ${row['line']} `);
      expect(row['error'].message).not.toMatch(/torn|second/);
    }
    expect(upstream.chatRequests).toHaveLength(2);
    expect(stderr).toContain('6\tinput_invalid');
  });

  test('with a line whose request the client can not send fails that line, and asks for the others', async () => {
    const input = write('in.jsonl', [{ prompt: 'one', stream_options: 5 }, { prompt: 'two' }]);
    expect((await batch(input, '-o', home.at('out.jsonl'), '--concurrency', '1')).code).toBe(11);
    expect(byLine()).toMatchObject([
      { line: 1, error: { code: 'input_invalid', message: expect.stringContaining('stream_options is 5') } },
      { line: 2, result: 're: two' },
    ]);
    expect(upstream.chatRequests).toHaveLength(1);
  });

  test('under --fail-fast a line that makes no sense ends the batch before any request, from a pipe too', async () => {
    const lines = ['{"prompt":"fine"}', '{"prompt":'];
    const input = write('in.jsonl', lines);
    expect((await batch(input, '-o', home.at('out.jsonl'), '--fail-fast')).code).toBe(11);
    const piped = await home.run(['batch', '-', '-o', home.at('piped.jsonl'), '--fail-fast'], {
      stdin: lines.join('\n'),
    });
    expect(piped.code).toBe(11);
    expect(rows()).toMatchObject([{ line: 2, is_error: true }]);
    expect(rows('piped.jsonl')).toMatchObject([{ line: 2, is_error: true }]);
    expect(upstream.chatRequests).toHaveLength(0);
  });
});

describe('bad use', () => {
  test.each<[string, string[], RegExp]>([
    ['no output', [], /needs a file for its results/],
    ['an input that is not there', ['-o', 'out.jsonl', 'gone.txt'], /gone\.txt: can not be read \(ENOENT\)/],
    ['the input as output', ['-o', 'in.txt'], /is the input itself/],
    ['an output that holds something else', ['-o', 'diary.txt'], /holds something else: line 1/],
    ['an output that is a folder', ['-o', '.'], /-o \S+ can not be written \(EISDIR\)/],
    ['an output in no folder', ['-o', 'gone/out.jsonl'], /-o \S+ can not be written \(ENOENT\)/],
    ['a shard out of range', ['-o', 'out.jsonl', '--shard', '3/2'], /--shard 3\/2/],
    ['a table', ['-o', 'out.jsonl', 'table.csv'], /table\.csv is a table[^]*-t[^]*--input-format text/],
    ['a table with tabs', ['-o', 'out.jsonl', 'gone.TSV'], /gone\.TSV is a table/],
    ['nothing on standard input', ['-o', 'out.jsonl', '-'], /standard input has no items/],
    ['no concurrency', ['-o', 'out.jsonl', '--concurrency', '0'], /--concurrency 0/],
    [
      'a report in no folder',
      ['-o', 'out.jsonl', '--reporter', 'junit=gone/r.xml'],
      /junit=gone\/r\.xml is no file in/,
    ],
    ['a report that is a folder', ['-o', 'out.jsonl', '--reporter', 'markdown=.'], /--reporter markdown=/],
    ['an unknown reporter', ['-o', 'out.jsonl', '--reporter', 'junit,html'], /no reporter "html"/],
  ])('%s is a usage error, and nothing is asked', async (_name, args, message) => {
    write('in.txt', ['one']);
    write('diary.txt', ['dear diary']);
    write('table.csv', ['id,question', '1,why?']);
    const hasInput = args.some((arg) => /^(-|gone\.\w+|table\.csv)$/i.test(arg));
    const input = hasInput ? [] : ['in.txt'];
    const { code, stderr } = await batch(...input, ...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(upstream.requests).toHaveLength(0);
    expect(readFileSync(home.at('diary.txt'), 'utf8')).toBe('dear diary\n');
  });
});

test('a table is asked for line by line where that is said', async () => {
  const input = write('in.csv', ['why, oh why?', 'who, then?']);
  expect((await batch(input, '-o', home.at('out.jsonl'), '--input-format', 'text')).code).toBe(0);
  expect(byLine().map((row) => row['result'])).toEqual(['re: why, oh why?', 're: who, then?']);
});

test('an input without a prompt is a usage error; a shard that is left without one is in order', async () => {
  write('blank.txt', ['', '  ']);
  for (const [name, ...more] of [['blank.txt'], ['blank.txt', '--fail-fast'], ['-']] as [string, ...string[]][]) {
    const { code, stderr } = await home.run(['batch', name, '-o', 'out.jsonl', ...more], { stdin: '\n' });
    const said = `${name === '-' ? 'standard input' : name} holds no prompt`;
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(said) });
  }
  const input = write('in.txt', ['one']);
  expect((await batch(input, '-o', home.at('shard.jsonl'), '--shard', '2/2')).code).toBe(0);
  expect(upstream.chatRequests).toHaveLength(0);
});

describe('what failed', () => {
  const failing = (codes: Record<string, [status: number, type: string]>): void => {
    upstream.fallback = (request) => {
      const [status, type] = codes[lastText(request)] ?? [400, 'bad'];
      // The first ends last.
      return { ...errorReply(status, type), delay: lastText(request) === 'p1' ? 100 : 0 };
    };
  };

  test('for one and the same reason is named with what to do, once, its lines in their order', async () => {
    failing({});
    const input = write('in.txt', ['p1', 'p2', 'p3']);
    const { code, stderr } = await batch(input, '-o', home.at('out.jsonl'), '-q');
    expect(code).toBe(11);
    expect(stderr).toContain('3\tbad_request\tline 1, 2, 3\t');
    expect(stderr.match(/check the flags that change the request/g)).toHaveLength(1);
  });

  test('because nothing listens is named with how to bring up a proxy', async () => {
    await upstream.close();
    const input = write('in.txt', ['p1', 'p2']);
    const { code, stderr } = await batch(input, '-o', home.at('out.jsonl'), '-q', '--retries', '0');
    expect(code).toBe(11);
    expect(stderr.match(/cllm proxy up/g)).toHaveLength(1);
  });

  test('for several reasons leaves what to do to the results', async () => {
    failing({ p1: [404, 'gone'], p2: [400, 'bad'] });
    const input = write('in.txt', ['p1', 'p2']);
    const { code, stderr } = await batch(input, '-o', home.at('out.jsonl'), '-q');
    expect(code).toBe(11);
    expect(stderr).not.toContain('check the flags');
  });
});

describe('running again', () => {
  test('skips what is done and tries what failed, without a trace of the failure', async () => {
    const input = write(
      'in.jsonl',
      [1, 2, 3].map((n) => ({ custom_id: `id-${n}`, prompt: `p${n}` })),
    );
    upstream.fallback = (request) =>
      lastText(request) === 'p2' ? errorReply(400, 'no such thing') : textReply(`re: ${lastText(request)}`)(request);
    const first = await batch(input, '-o', home.at('out.jsonl'));
    expect(first.code).toBe(11);
    expect(first.stderr).toMatch(/1\tbad_request\tline 2/);
    expect(first.stderr).toContain('1 item failed');
    upstream.fallback = (request) => textReply(`again: ${lastText(request)}`)(request);
    const second = await batch(input, '-o', home.at('out.jsonl'));
    expect(second.code).toBe(0);
    expect(byLine().map((row) => [row['custom_id'], row['result'], row['is_error']])).toEqual([
      ['id-1', 're: p1', false],
      ['id-2', 'again: p2', false],
      ['id-3', 're: p3', false],
    ]);
    const asked = upstream.chatRequests.length;
    expect((await batch(input, '-o', home.at('out.jsonl'))).code).toBe(0);
    expect(upstream.chatRequests).toHaveLength(asked);
  });

  test.each([
    ['in the middle of a result', (whole: string) => whole.slice(0, -40)],
    [
      'in the middle of a character',
      (whole: string) => Buffer.concat([Buffer.from(whole.slice(0, 60)), Buffer.from([0xe2, 0x82])]),
    ],
    ['at its very beginning', (_whole: string) => '{"ty'],
    ['as zeros of the file system', (_whole: string) => '\0'.repeat(300)],
  ])('repairs a line that a crash tore %s', async (_name, tear) => {
    const input = write('in.txt', ['one', 'two']);
    await batch(input, '-o', home.at('out.jsonl'), '--concurrency', '1');
    const [first = '', second = ''] = readFileSync(home.at('out.jsonl'), 'utf8').split('\n');
    writeFileSync(home.at('out.jsonl'), `${first}\n`);
    appendFileSync(home.at('out.jsonl'), tear(second));
    expect((await batch(input, '-o', home.at('out.jsonl'))).code).toBe(0);
    expect(byLine().map((row) => row['result'])).toEqual(['re: one', 're: two']);
    expect(upstream.chatRequests).toHaveLength(3);
  });

  test('keeps a result that lacks only its newline', async () => {
    const input = write('in.txt', ['one', 'two']);
    await batch(input, '-o', home.at('out.jsonl'));
    writeFileSync(home.at('out.jsonl'), readFileSync(home.at('out.jsonl'), 'utf8').trimEnd());
    expect((await batch(input, '-o', home.at('out.jsonl'))).code).toBe(0);
    expect(byLine().map((row) => row['line'])).toEqual([1, 2]);
    expect(upstream.chatRequests).toHaveLength(2);
  });

  test('refuses lines without a name that moved, and does not mind named ones that did', async () => {
    const input = write('in.txt', ['one', 'two']);
    await batch(input, '-o', home.at('out.jsonl'));
    write('in.txt', ['zero', 'one', 'two']);
    const moved = await batch(input, '-o', home.at('out.jsonl'));
    expect(moved.code).toBe(2);
    expect(moved.stderr).toContain('line 1 of the input has changed');
    expect(upstream.chatRequests).toHaveLength(2);

    const named = write('named.jsonl', [{ custom_id: 'a', prompt: 'one' }]);
    await batch(named, '-o', home.at('named-out.jsonl'));
    write('named.jsonl', [
      { custom_id: 'b', prompt: 'zero' },
      { custom_id: 'a', prompt: 'one' },
    ]);
    expect((await batch(named, '-o', home.at('named-out.jsonl'))).code).toBe(0);
    expect(rows('named-out.jsonl').map((row) => row['custom_id'])).toEqual(['a', 'b']);
  });

  test('while another process writes the file is refused, and a claim that a dead one left is not', async () => {
    let letGo = (): void => {};
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    upstream.fallback = (request) =>
      request.method === 'GET' ? errorReply(404, 'no') : { ...textReply('slow')(request), gate };
    const input = write('in.txt', ['one']);
    const first = await home.begin(['batch', input, '-o', home.at('out.jsonl')]);
    await untilAsked(1);
    const second = await batch(input, '-o', home.at('out.jsonl'));
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`process ${first.pid}, is writing`);
    first.process.kill('SIGKILL');
    await first.result;
    letGo();
    expect((await batch(input, '-o', home.at('out.jsonl'))).code).toBe(0);
    expect(rows()).toHaveLength(1);
    expect(readdirSync(home.directory).filter((name) => name.includes('.lock'))).toEqual([]);
  });
});

describe('on its way', () => {
  test('keeps each result before it begins another item in its place', async () => {
    const seen: number[] = [];
    upstream.fallback = (request) => {
      if (request.method === 'POST') seen.push(existsSync(home.at('out.jsonl')) ? rows().length : 0);
      return textReply('x')(request);
    };
    await batch(write('in.txt', ['1', '2', '3', '4']), '-o', home.at('out.jsonl'), '--concurrency', '1');
    expect(seen).toEqual([0, 1, 2, 3]);
  });

  test('asks no more at a time than it may', async () => {
    let [inFlight, most] = [0, 0];
    upstream.fallback = (request) => {
      most = Math.max(most, (inFlight += 1));
      void request.hungUp.then(() => (inFlight -= 1));
      return { ...textReply('x')(request), delay: 20 };
    };
    const input = write(
      'in.txt',
      Array.from({ length: 20 }, (_, n) => `${n}`),
    );
    await batch(input, '-o', home.at('out.jsonl'), '--concurrency', '3');
    expect(most).toBe(3);
    expect(rows()).toHaveLength(20);
  });

  test('waits as long as a 429 says and tries again: no item fails for want of room', async () => {
    const refused: number[] = [];
    const times: number[] = [];
    upstream.fallback = (request) => {
      if (request.method === 'GET') return errorReply(404, 'no');
      times.push(performance.now());
      if (times.length > 4) return textReply('x')(request);
      refused.push(performance.now());
      return errorReply(429, 'slow down', { headers: { 'retry-after': '1' } });
    };
    const input = write(
      'in.txt',
      Array.from({ length: 12 }, (_, n) => `${n}`),
    );
    const { code, stderr } = await batch(input, '-o', home.at('out.jsonl'), '--concurrency', '4');
    expect(code).toBe(0);
    expect(stderr).toContain('the proxy asks to wait');
    expect(rows().filter((row) => row['is_error'])).toEqual([]);
    expect((times[4] ?? 0) - (refused[0] ?? 0)).toBeGreaterThanOrEqual(990);
  });

  test('takes a 429 for a failure under --retries 0', async () => {
    upstream.fallback = () => errorReply(429, 'slow down', { headers: { 'retry-after': '1' } });
    const { code } = await batch(write('in.txt', ['one']), '-o', home.at('out.jsonl'), '--retries', '0');
    expect(code).toBe(11);
    expect(rows()).toMatchObject([{ exit_code: 6, error: { code: 'rate_limited' } }]);
    expect(upstream.chatRequests).toHaveLength(1);
  });

  test('ends at a rejected key instead of asking in vain for the rest', async () => {
    upstream.fallback = () => errorReply(401, 'bad key', { type: 'auth_error' });
    const input = write(
      'in.txt',
      Array.from({ length: 50 }, (_, n) => `${n}`),
    );
    const { code, stderr } = await batch(input, '-o', home.at('out.jsonl'), '--concurrency', '2');
    expect(code).toBe(4);
    expect(stderr).toContain('the batch was stopped');
    expect(upstream.chatRequests.length).toBeLessThan(5);
  });

  test('keeps what is in flight as interrupted at Ctrl-C, begins nothing more, and goes on later', async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    upstream.fallback = (request) => ({
      ...textReply(`re: ${lastText(request)}`)(request),
      ...(lastText(request) === 'hang' && { gate }),
    });
    const input = write('in.txt', ['one', 'hang', 'three']);
    const cli = await home.begin(['batch', input, '-o', home.at('out.jsonl'), '--concurrency', '1']);
    await untilAsked(2);
    cli.process.kill('SIGINT');
    const { code, stderr } = await cli.result;
    expect(code).toBe(130);
    expect(stderr).toContain('the same command goes on from there, and skips what is in out.jsonl');
    expect(byLine()).toMatchObject([
      { line: 1, is_error: false },
      { line: 2, is_error: true, verdict: 'interrupted', exit_code: 130 },
    ]);
    open();
    expect((await batch(input, '-o', home.at('out.jsonl'))).code).toBe(0);
    expect(byLine().map((row) => row['result'])).toEqual(['re: one', 're: hang', 're: three']);
  });

  test('begins nothing after the first failure under --fail-fast', async () => {
    upstream.fallback = (request) => (lastText(request) === 'two' ? errorReply(400, 'no') : textReply('fine')(request));
    const input = write('in.txt', ['one', 'two', 'three', 'four']);
    const { code } = await batch(input, '-o', home.at('out.jsonl'), '--fail-fast', '--concurrency', '1');
    expect(code).toBe(11);
    expect(rows().map((row) => row['line'])).toEqual([1, 2]);
  });

  test('does its shard of the lines, and the shards do all of them', async () => {
    const input = write('in.txt', ['a', 'b', 'c', 'd', 'e']);
    for (const shard of ['1/2', '2/2']) await batch(input, '-o', home.at(`out-${shard[0]}.jsonl`), '--shard', shard);
    expect(byLine('out-1.jsonl').map((row) => row['line'])).toEqual([1, 3, 5]);
    expect(byLine('out-2.jsonl').map((row) => row['line'])).toEqual([2, 4]);
  });

  test('judges each reply by --output-schema', async () => {
    writeFileSync(home.at('schema.json'), '{"type":"object","required":["a"]}');
    upstream.fallback = (request) => textReply(lastText(request) === 'good' ? '{"a":1}' : '{"b":1}')(request);
    const input = write('in.txt', ['good', 'bad']);
    const { code } = await batch(input, '-o', home.at('out.jsonl'), '--output-schema', home.at('schema.json'));
    expect(code).toBe(11);
    expect(byLine()).toMatchObject([
      { verdict: 'complete', exit_code: 0 },
      { verdict: 'complete', exit_code: 9, error: { code: 'schema_mismatch' } },
    ]);
  });

  test('keeps nothing in the history, and its results for their owner alone', async () => {
    await batch(write('in.txt', ['one']), '-o', home.at('out.jsonl'));
    expect((await home.run(['history', 'list'])).stdout).toBe('');
    expect(statSync(home.at('out.jsonl')).mode & 0o777).toBe(0o600);
  });

  test('stops at a disk without room, and leaves whole lines', async () => {
    mkdirSync(home.at('full'));
    const input = write(
      'in.txt',
      Array.from({ length: 40 }, (_, n) => `${n} ${'x'.repeat(500)}`),
    );
    const { code, stderr } = await home.shell(`ulimit -f 8; cllm batch ${input} -o full/out.jsonl --concurrency 2`);
    expect(code).toBe(1);
    expect(stderr).toContain('can not be written (EFBIG)');
    const kept = rows('full/out.jsonl');
    expect(kept.length).toBeGreaterThan(0);
    expect((await batch(input, '-o', home.at('full', 'out.jsonl'))).code).toBe(0);
    expect(new Set(rows('full/out.jsonl').map((row) => row['line'])).size).toBe(40);
  });
});

async function untilAsked(count: number): Promise<void> {
  while (upstream.chatRequests.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
}
