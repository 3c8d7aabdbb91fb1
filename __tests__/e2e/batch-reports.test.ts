import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { errorReply, type FakeUpstream, lastText, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { readJunit } from '../support/junit-schema.ts';
import { builtCli, CliHome, node } from '../support/run-cli.ts';

let upstream: FakeUpstream;
let home: CliHome;

const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7, cost: 0.01 };

beforeEach(async () => {
  upstream = await startFakeUpstream();
  const small = upstream.fallback;
  upstream.fallback = (request) => {
    if (request.method === 'GET') return request.path.endsWith('/model/info') ? prices : small(request);
    const text = lastText(request);
    if (text.startsWith('bad')) return errorReply(400, `no | <b>such</b>\nthing ${text}: 100%, ::error::x`);
    if (text.startsWith('cut')) return textReply('half', { finishReason: null, isDone: false })(request);
    return textReply(`re: ${text}`, { usage })(request);
  };
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});

const prices = {
  body: { data: [{ model_name: 'gpt', litellm_params: {}, model_info: { input_cost_per_token: 1e-6 } }] },
};

afterEach(async () => {
  home.close();
  await upstream.close();
});

const file = (name: string): string => readFileSync(home.at(name), 'utf8');

/** What a runner would read out of `$GITHUB_OUTPUT`. */
function outputsOf(text: string): Record<string, string> {
  const outputs: Record<string, string> = {};
  for (const [, name = '', , value = ''] of text.matchAll(/^([\w-]+)<<(\S+)\n([^]*?)\n\2\n/gm)) outputs[name] = value;
  return outputs;
}

describe('--reporter', () => {
  test('junit writes what the schema of Jenkins allows, whatever stands in names and messages', async () => {
    const ids = ['plain', '<&>"\'', 'control \u0001 \ufffe \ud800', 'line\nbreak\ttab', '日本語 👩‍💻'];
    const prompts = ['fine', 'bad', 'cut', 'bad 2', 'fine 2'];
    writeFileSync(
      home.at('in.jsonl'),
      ids.map((id, n) => `${JSON.stringify({ custom_id: id, prompt: prompts[n] })}\n`).join(''),
    );
    await home.run(['batch', 'in.jsonl', '-o', 'out.jsonl', '--reporter', 'junit']);
    const { root, problems } = readJunit(file('out.junit.xml'));
    expect(problems).toEqual([]);
    expect(root.attributes).toMatchObject({ tests: '5', failures: '1', errors: '2' });
    const cases = (root.children[0]?.children ?? []).filter(({ name }) => name === 'testcase');
    expect(new Set(cases.map(({ attributes }) => attributes['name']))).toEqual(
      new Set(['plain', '<&>"\'', 'control \ufffd \ufffd \ufffd', 'line\nbreak\ttab', '日本語 👩‍💻']),
    );
    const failed = cases.flatMap(({ children }) => children);
    const kinds = failed.map(({ name, attributes }) => `${name} ${attributes['type']}`);
    expect(kinds.toSorted((a, b) => a.localeCompare(b))).toEqual([
      'error bad_request',
      'error bad_request',
      'failure stream_cut',
    ]);
    expect(file('out.junit.xml')).not.toContain('re: fine');
  });

  test('markdown writes a table of verdicts with cost and first-token times, and why items failed', async () => {
    writeFileSync(home.at('in.txt'), 'one\nbad\ncut\n');
    await home.run(['batch', 'in.txt', '-o', 'out.jsonl', '--reporter', 'markdown=report.md']);
    const report = file('report.md');
    expect(report).toMatch(/\| complete \| 1 \| \$0\.01 \| \d\.\d\d s \|/);
    expect(report).toMatch(/\| no reply \| 1 \| unknown \|/);
    expect(report).toContain('| 1 | `bad_request` | 2 |');
    expect(report).toContain('no &#124; &lt;b&gt;such');
  });

  test('github writes a step summary, annotations at the lines, and outputs that nothing can forge', async () => {
    writeFileSync(home.at('in.txt'), 'one\nbad, worse\ntwo cllm-\n');
    for (const name of ['summary', 'output']) writeFileSync(home.at(name), 'before=it\n');
    const { code, stderr, stdout } = await home.run(['batch', 'in.txt', '-o', 'out.jsonl', '--reporter', 'github'], {
      env: {
        GITHUB_STEP_SUMMARY: home.at('summary'),
        GITHUB_OUTPUT: home.at('output'),
        GITHUB_WORKSPACE: home.directory,
      },
    });
    expect({ code, stdout }).toEqual({ code: 11, stdout: '' });
    const annotations = stderr.split('\n').filter((line) => line.startsWith('::'));
    expect(annotations).toHaveLength(1);
    expect(annotations[0]).toMatch(/^::error file=in\.txt,line=2,title=line 2%3A bad_request::.*100%25/);
    expect(file('summary')).toMatch(/^before=it\n## cllm batch in/);
    const outputs = outputsOf(file('output'));
    expect(outputs).toMatchObject({
      total: '3',
      succeeded: '2',
      failed: '1',
      'cost-usd': '0.02',
      'results-file': home.at('out.jsonl'),
    });
    expect(JSON.parse(outputs['results'] ?? '')).toContainEqual({
      custom_id: null,
      line: 1,
      verdict: 'complete',
      is_error: false,
      result: 're: one',
    });
  });

  test('github leaves a large value in its file, and more failures than annotations by kind', async () => {
    writeFileSync(
      home.at('in.txt'),
      `${'x'.repeat(70_000)}\n${Array.from({ length: 15 }, (_, n) => `bad ${n}\n`).join('')}`,
    );
    writeFileSync(home.at('output'), '');
    const { stderr } = await home.run(['batch', 'in.txt', '-o', 'out.jsonl', '--reporter', 'github'], {
      env: { GITHUB_OUTPUT: home.at('output') },
    });
    const outputs = outputsOf(file('output'));
    expect(outputs).not.toHaveProperty('results');
    expect(outputs['results-file']).toBe(home.at('out.jsonl'));
    expect(stderr.split('\n').filter((line) => line.startsWith('::error'))).toHaveLength(1);
    expect(stderr).toContain('bad_request%3A 15 items');
  });
});

/**
 * A home like the checkout of a job: the example's prompts, and on the PATH `cllm`, and an `npm` and a `git` that do nothing.
 * What these install is shown in action.test.ts.
 */
function checkout(): string {
  mkdirSync(home.at('bin'));
  const script = (name: string, text: string): void => {
    writeFileSync(home.at('bin', name), `#!/bin/sh\n${text}\n`);
    chmodSync(home.at('bin', name), 0o755);
  };
  script('cllm', `exec '${node}' '${builtCli}' "$@"`);
  script('npm', 'exit 0');
  script('git', 'exit 0');
  copyFileSync(example('prompts.jsonl'), home.at('prompts.jsonl'));
  return `${home.at('bin')}:${process.env['PATH']}`;
}

const example = (name: string): string => fileURLToPath(new URL(`../../examples/ci/${name}`, import.meta.url));

describe('the example', () => {
  test('for GitHub runs as the runner would run it, twice, and pays once', async () => {
    interface Step {
      id?: string;
      run?: string;
      env?: Record<string, string>;
    }
    interface Workflow {
      jobs: { prompts: { env: Record<string, string>; steps: Step[] } };
    }
    const { prompts: job } = (parse(readFileSync(example('github-workflow.yml'), 'utf8')) as Workflow).jobs;
    const PATH = checkout();
    const facts: Record<string, string> = {
      'vars.LITELLM_PROXY_URL': upstream.baseUrl,
      'secrets.LITELLM_PROXY_API_KEY': 'sk-of-the-job',
    };
    const filled = (env: Record<string, string> = {}): Record<string, string> =>
      Object.fromEntries(
        Object.entries(env).map(([name, value]) => [
          name,
          value.replace(/\$\{\{ (\S+) \}\}/g, (_all, fact: string) => facts[fact] ?? ''),
        ]),
      );
    const runner = {
      PATH,
      CI: 'true',
      GITHUB_ACTIONS: 'true',
      GITHUB_REPOSITORY: 'octo/cat',
      GITHUB_WORKFLOW: 'Prompts',
      GITHUB_JOB: 'prompts',
      GITHUB_RUN_ID: '42',
      GITHUB_RUN_ATTEMPT: '1',
      GITHUB_REF: 'refs/pull/7/merge',
      GITHUB_ACTOR: 'mona',
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_WORKSPACE: home.directory,
      GITHUB_STEP_SUMMARY: home.at('summary.md'),
      CLLM_MODEL: undefined,
    };
    let said = '';
    for (let attempt = 0; attempt < 2; attempt += 1) {
      for (const step of job.steps.filter(({ run }) => run !== undefined)) {
        writeFileSync(home.at('output'), '');
        const env = { ...runner, GITHUB_OUTPUT: home.at('output'), ...filled(job.env), ...filled(step.env) };
        const { code, stdout, stderr } = await home.shell(`set -eo pipefail; unset -f cllm; ${step.run}`, { env });
        expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
        said = stdout;
        for (const [name, value] of Object.entries(outputsOf(file('output'))))
          facts[`steps.${step.id}.outputs.${name}`] = value;
      }
      expect(said).toBe('3 of 3 prompts, USD 0.03\n');
    }
    expect(upstream.chatRequests).toHaveLength(3);
    expect(upstream.chatRequests[0]?.headers).toMatchObject({
      authorization: 'Bearer sk-of-the-job',
      'user-agent': expect.stringMatching(/^cllm\/\S+ \(github-actions; octo\/cat\)$/),
      'x-litellm-tags': 'ci:github-actions,repo:octo/cat,workflow:Prompts,job:prompts',
      'x-litellm-session-id': 'github-actions:octo/cat:42:1:prompts',
    });
    expect(file('summary.md')).toContain('3 items · 3 succeeded');
    expect(readJunit(file('junit.xml')).problems).toEqual([]);
  });

  test('for GitLab runs as its runner would run it, in two jobs', async () => {
    interface Pipeline {
      prompts: { before_script: string[]; script: string[]; allow_failure: { exit_codes: number } };
    }
    const { prompts: job } = parse(readFileSync(example('gitlab-ci.yml'), 'utf8')) as Pipeline;
    const PATH = checkout();
    for (const index of ['1', '2']) {
      const env = {
        PATH,
        CI: 'true',
        GITLAB_CI: 'true',
        CI_PROJECT_PATH: 'group/project',
        CI_PIPELINE_ID: '1234',
        CI_JOB_ID: `567${index}`,
        CI_JOB_NAME: `prompts ${index}/2`,
        CI_MERGE_REQUEST_IID: '9',
        GITLAB_USER_LOGIN: 'ada',
        CI_NODE_INDEX: index,
        CI_NODE_TOTAL: '2',
        CLLM_MODEL: undefined,
      };
      const script = [...job.before_script, ...job.script].join('\n');
      const { code, stderr } = await home.shell(`set -eo pipefail; unset -f cllm; ${script}`, { env });
      expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
      expect(readJunit(file(`junit-${index}.xml`)).problems).toEqual([]);
    }
    expect(upstream.chatRequests).toHaveLength(3);
    expect(upstream.chatRequests[0]?.headers['x-litellm-tags']).toContain('repo:group/project');
    expect(job.allow_failure.exit_codes).toBe(11);
    expect(file('prompts-1.md')).toContain('2 items');
  });
});
