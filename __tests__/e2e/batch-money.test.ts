import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { errorReply, type FakeUpstream, lastText, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome, isAskedByOthers } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

let upstream: FakeUpstream;
let home: CliHome;
let keyInfo: Record<string, unknown> | null;
let teamInfo: Record<string, unknown>;

const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 };

beforeEach(async () => {
  keyInfo = null;
  teamInfo = {};
  upstream = await startFakeUpstream();
  upstream.fallback = (request) => {
    if (request.path.endsWith('/model/info')) {
      const info = (name: string, price: number | null): object => ({
        model_name: name,
        litellm_params: {},
        model_info: { input_cost_per_token: price, output_cost_per_token: price },
      });
      // Two deployments behind one name: it has a price only when both do.
      return { body: { data: [info('priced', 1e-6), info('free', 0), info('half', 1e-6), info('half', null)] } };
    }
    if (request.path.startsWith('/team/info')) return { body: { team_info: teamInfo } };
    if (request.path.endsWith('/key/info')) {
      return keyInfo === null ? errorReply(500, 'Database not connected') : { body: { key: 'h', info: keyInfo } };
    }
    const isTold = !lastText(request).includes('unknown');
    return textReply('fine', { usage: isTold ? { ...usage, cost: 0.25 } : usage })(request);
  };
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl, CLLM_MODEL: 'priced' });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

const rows = (): Record<string, any>[] =>
  readFileSync(home.at('out.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, any>);

function input(...lines: string[]): string {
  writeFileSync(home.at('in.txt'), `${lines.join('\n')}\n`);
  return home.at('in.txt');
}

describe('--max-cost', () => {
  test.each([
    ['ask', ['hi']],
    ['batch', ['batch', 'in.txt', '-o', 'out.jsonl']],
    ['compare', ['compare', '-m', 'half', '-m', 'priced', 'hi']],
    ['chat', ['chat']],
  ])('with a model of unknown price is refused by %s before anything is asked', async (name, args) => {
    input('one');
    const model = name === 'compare' ? [] : ['-m', 'half'];
    const { code, stderr } = await home.run([...args, ...model, '--max-cost', '1'], { stdin: '' });
    expect(code).toBe(2);
    expect(stderr).toContain('does not know what half costs');
    expect(stderr).toContain('--allow-unknown-cost');
    expect(upstream.chatRequests).toHaveLength(0);
  });

  test('takes a model of unknown price under --allow-unknown-cost', async () => {
    expect((await home.run(['-m', 'half', '--max-cost', '1', '--allow-unknown-cost', 'hi'])).code).toBe(0);
    expect(upstream.requests.some(({ path }) => path.endsWith('/model/info'))).toBe(false);
  });

  test('of 0 begins nothing', async () => {
    const { code, stderr } = await home.run(['--max-cost', '0', 'hi']);
    expect(code).toBe(7);
    expect(stderr).toContain('--max-cost 0 is spent');
    expect(upstream.chatRequests).toHaveLength(0);
  });

  test('that one reply runs past is said, and is no failure: the reply is here', async () => {
    const { code, stdout, stderr } = await home.run(['--max-cost', '0.1', 'hi']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'fine\n' });
    expect(stderr).toContain('cost more than --max-cost 0.1');
  });

  test('ends a batch where it is reached, however many are asked at a time, and counts what earlier runs spent', async () => {
    const file = input(...Array.from({ length: 30 }, (_, n) => `p${n}`));
    const capped = ['batch', file, '-o', home.at('out.jsonl'), '--max-cost', '2'];
    const { code, stderr } = await home.run([...capped, '--concurrency', '4']);
    expect(code).toBe(7);
    expect(stderr).toContain('$2.00 of --max-cost 2 is spent');
    expect(rows()).toHaveLength(8);
    expect((await home.run(capped)).code).toBe(7);
    expect(upstream.chatRequests).toHaveLength(8);
    expect((await home.run([...capped.slice(0, -1), '3'])).code).toBe(7);
    expect(rows()).toHaveLength(12);
  });

  test('refuses an item whose model has no price, as the result of its line', async () => {
    writeFileSync(
      home.at('in.jsonl'),
      '{"prompt":"a"}\n{"prompt":"b","model":"half"}\n{"prompt":"c","model":"free"}\n',
    );
    const { code } = await home.run(['batch', home.at('in.jsonl'), '-o', home.at('out.jsonl'), '--max-cost', '5']);
    expect(code).toBe(11);
    const byLine = rows().toSorted((a, b) => a['line'] - b['line']);
    expect(byLine.map((row) => row['exit_code'])).toEqual([0, 2, 0]);
  });

  test('stops a batch whose replies say nothing of their cost; unknown stays null', async () => {
    const file = input(...Array.from({ length: 20 }, (_, n) => `unknown ${n}`));
    const { code, stderr } = await home.run([
      'batch',
      file,
      '-o',
      home.at('out.jsonl'),
      '--max-cost',
      '5',
      '--concurrency',
      '2',
    ]);
    expect(code).toBe(7);
    expect(stderr).toContain('does not say what a reply costs');
    expect(rows().length).toBeLessThan(5);
    expect(rows()[0]).toMatchObject({ total_cost_usd: null, cost_source: 'unknown' });
  });
});

describe('--max-cost of a chat', () => {
  const given = '--max-cost=0.5';

  test('holds for all of its turns together: the one that would go past it is not sent', async () => {
    const { code, stdout, stderr } = await home.run(['chat', given], { stdin: 'one\ntwo\nthree\nfour\n' });
    expect({ code, stdout }).toEqual({ code: 7, stdout: 'fine\nfine\n' });
    expect(stderr).toMatch(/^cllm: \$0\.50 of --max-cost 0\.5 is spent\n.*--max-cost$/m);
    expect(upstream.chatRequests.map(lastText)).toEqual(['one', 'two']);
  });

  test('ends a stream of events with the refusal', async () => {
    const { code, stdout } = await home.run(['chat', given, '--output-format', 'stream-json'], { stdin: 'a\nb\nc\n' });
    expect(code).toBe(7);
    const results = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ type }) => type === 'result');
    expect(results.map((result) => result['exit_code'])).toEqual([0, 0, 7]);
    expect(results.at(-1)).toMatchObject({ is_error: true, error: { code: 'cost_cap' } });
  });

  test('that the last reply ran past is said', async () => {
    const { code, stderr } = await home.run(['chat', '--max-cost', '0.3'], { stdin: 'one\ntwo\n' });
    expect(code).toBe(0);
    expect(stderr).toContain('this chat has cost more than --max-cost 0.3');
  });

  test('counts what this chat spends, not what the conversation did before', async () => {
    await home.run(['-C', 'work', 'before']);
    expect((await home.run(['chat', '-C', 'work', given], { stdin: 'one\ntwo\n' })).code).toBe(0);
  });

  test('at a terminal refuses the turn and keeps the chat, also after /retry and another /model', async () => {
    const terminal = new Terminal(home, ['chat', given], { rows: 60 });
    const say = async (keys: string, answer: string | RegExp): Promise<void> => {
      await terminal.until(({ screen }) => screen.at(-1) === '>');
      terminal.type(`${keys}\r`);
      await terminal.until(answer);
    };
    try {
      await say('/model half', 'the model is half');
      await say('zero', 'does not know what half costs');
      await say('/model priced', 'the model is priced');
      await say('one', 'fine');
      await say('two', /fine[^]*fine/);
      await say('/retry', '$0.50 of --max-cost 0.5 is spent');
      await say('/usage', '2 turns');
      terminal.type('\u0004');
      expect(await terminal.exitCode).toBe(0);
    } finally {
      terminal.close();
    }
    expect(upstream.chatRequests.map(lastText)).toEqual(['one', 'two']);
  });
});

// Where workers ask, theirs count, and the proxy refuses them.
if (!isAskedByOthers()) {
  describe("this key's budget", () => {
    test('that is used up keeps a batch from being begun', async () => {
      keyInfo = { spend: 10, max_budget: 10 };
      const { code, stderr } = await home.run(['batch', input('one'), '-o', home.at('out.jsonl')]);
      expect(code).toBe(7);
      expect(stderr).toContain('the budget of the key is used up');
      expect(upstream.chatRequests).toHaveLength(0);
    });

    test('and so is its team’s, by name', async () => {
      keyInfo = { spend: 1, max_budget: null, team_id: 't' };
      teamInfo = { team_alias: 'search', spend: 3, max_budget: 3 };
      const { code, stderr } = await home.run(['batch', input('one'), '-o', home.at('out.jsonl')]);
      expect({ code, stderr }).toEqual({
        code: 7,
        stderr: expect.stringContaining('the budget of the team search is used up'),
      });
      expect(upstream.chatRequests).toHaveLength(0);
    });
  });
}

describe("the key's budget", () => {
  test('that is smaller than the cap is said', async () => {
    keyInfo = { spend: 9.5, max_budget: 10 };
    const { code, stderr } = await home.run(['--max-cost', '2', 'hi']);
    expect(code).toBe(0);
    expect(stderr).toContain('$0.50 of its budget left, less than --max-cost 2');
  });

  test('that will not do for the rest is said once, from what the replies tell', async () => {
    const headers = { 'x-litellm-key-spend': '9', 'x-litellm-key-max-budget': '10' };
    const small = upstream.fallback;
    upstream.fallback = (request) =>
      request.method === 'GET'
        ? small(request)
        : textReply('fine', { usage: { ...usage, cost: 0.25 }, headers })(request);
    const file = input(...Array.from({ length: 40 }, (_, n) => `p${n}`));
    const { code, stderr } = await home.run(['batch', file, '-o', home.at('out.jsonl')]);
    expect(code).toBe(0);
    expect(stderr.match(/the rest will cost about/g)).toHaveLength(1);
  });

  test('that the proxy says is exceeded ends the batch', async () => {
    const small = upstream.fallback;
    upstream.fallback = (request) =>
      request.method === 'GET'
        ? small(request)
        : errorReply(422, 'Budget has been exceeded!', { type: 'budget_exceeded' });
    const file = input(...Array.from({ length: 40 }, (_, n) => `p${n}`));
    const { code } = await home.run(['batch', file, '-o', home.at('out.jsonl'), '--concurrency', '2']);
    expect(code).toBe(7);
    expect(upstream.chatRequests.length).toBeLessThan(5);
  });
});
