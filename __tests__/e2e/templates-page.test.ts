import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { execFile, execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { builtCli, CliHome, node } from '../support/run-cli.ts';

/** What docs/templates.md shows is run as it stands there: its files in a repository, its command lines by a shell. */
const page = readFileSync(fileURLToPath(new URL('../../docs/templates.md', import.meta.url)), 'utf8');
const blocks = [...page.matchAll(/(?:^ {4}.*\n(?:^\n(?= {4}))?)+/gm)].map(([block]) => block.replaceAll(/^ {4}/gm, ''));
const isCommand = (line: string): boolean => /^(?:git \w+ \| )?cllm /.test(line);
const lines = [
  ...blocks.flatMap((block) => block.split('\n')).filter(isCommand),
  ...[...page.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code).filter(isCommand),
]
  .map((line) => line.replace(/ #.*/, '').replaceAll(/[[\]]/g, '').trim())
  // Words that stand for something (NAME, DIR) are no examples; what asks a person is tested elsewhere.
  .filter((line) => !/\b[A-Z]{3,}\b/.test(line) && line !== 'cllm config path');

let upstream: FakeUpstream;
let home: CliHome;

beforeAll(async () => {
  upstream = await startFakeUpstream();
  const reply = textReply('ok');
  const prices = { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 };
  const models = ['m1', 'gpt-4.1'].map((name) => ({ model_name: name, model_info: prices }));
  upstream.fallback = (request) => {
    if (request.path.startsWith('/prompts/'))
      return { body: { raw_prompt_template: { content: 'Greet {{ who }}.', metadata: { model: 'm1' } } } };
    if (request.path.startsWith('/model/info')) return { body: { data: models } };
    return typeof reply === 'function' ? reply(request) : reply;
  };
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl, CLLM_MODEL: 'm1' });
  const repository = home.at('repo');
  mkdirSync(path.join(repository, '.cllm', 'templates'), { recursive: true });
  const git = (...args: string[]): void => void execFileSync('git', args, { cwd: repository, stdio: 'ignore' });
  git('init', '-q', '-b', 'main');
  const write = (name: string, text: string): void => writeFileSync(path.join(repository, name), text);
  write('a.txt', 'one');
  git('add', '.');
  git('-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '-q', '-m', 'first');
  write('a.txt', 'two');
  write('.cllm/templates/review.md', blocks.find((block) => block.startsWith('---')) ?? '');
  write('.cllm/templates/explain.md', 'Explain: {{ input }}');
  write('.cllm/templates/classify.md', '---\nvariables: { text: null }\n---\nSort {{ text }}.');
  write('rows.csv', 'text\na\n');
  write('cllm.yaml', 'profiles: { cheap: { params: { temperature: 0 } } }\n');
  mkdirSync(path.join(repository, 'examples', 'templates'), { recursive: true });
  const example = fileURLToPath(new URL('../../examples/templates/review.md', import.meta.url));
  write('examples/templates/review.md', readFileSync(example, 'utf8'));
  mkdirSync(home.at('bin'));
  writeFileSync(home.at('bin', 'cllm'), `#!/bin/sh\nexec "${node}" "${builtCli}" "$@"\n`);
  chmodSync(home.at('bin', 'cllm'), 0o755);
  for (const name of ['review', './examples/templates/review.md'])
    await home.run(['templates', 'trust', name], { cwd: repository });
});

afterAll(async () => {
  home.close();
  await upstream.close();
});

test('there are examples', () => {
  expect(lines.length).toBeGreaterThan(10);
  expect(blocks.filter((block) => block.startsWith('---'))).toHaveLength(1);
});

test.each([...new Set(lines)])('%s', async (line) => {
  // A template that is there is not written again.
  const expected = line.startsWith('cllm templates new') ? 2 : 0;
  const code = await promisify(execFile)('sh', ['-c', `echo x | ( ${line} )`], {
    cwd: home.at('repo'),
    env: { ...home.env, PATH: `${home.at('bin')}:${process.env['PATH']}` },
  }).then(
    () => 0,
    (error: { code: number; stderr: string }) => (error.code === expected ? expected : error.stderr),
  );
  expect(code).toBe(expected);
});

test.each(blocks.filter((block) => block.startsWith('context:')))('a template with %s', async (head) => {
  writeFileSync(home.at('repo', 'x.md'), `---\nvariables: { base: main }\n${head}---\nhi\n`);
  expect((await home.run(['templates', 'check', './x.md'], { cwd: home.at('repo') })).code).toBe(0);
});
