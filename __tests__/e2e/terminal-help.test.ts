import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { askFlags, topics } from '../../src/cli/flags/flags.ts';
import { commandTable } from '../../src/cli/command-table.ts';
import { type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { builtCli, CliHome, node } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

const names = commandTable.map(({ usage }) => usage.split(' ')[0] as string);

describe('help', () => {
  test.each([['--help'], ['-h'], ['help']])(
    '%s fits a screen of 24 lines of 80 columns and names every command',
    async (word) => {
      const { code, stdout, stderr } = await home.run([word]);
      const lines = stdout.trimEnd().split('\n');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(lines.length).toBeLessThanOrEqual(24);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
      for (const name of names) expect(stdout).toMatch(new RegExp(`\\b${name}\\b`));
    },
  );

  const isIn = (text: string, flag: string): boolean => new RegExp(`--${flag}(?![\\w-])`).test(text);

  test.each([['ask', ['ask', '--help', 'all']] as const, ['ask', ['help', 'ask', 'all']] as const])(
    'all of %s has every flag, in groups (%j)',
    async (_command, args) => {
      const { stdout } = await home.run([...args]);
      for (const flag of Object.keys(askFlags)) expect([flag, isIn(stdout, flag)]).toEqual([flag, true]);
      for (const group of ['Prompt:', 'Conversation:', 'Output:', 'Proxy:', 'Examples:'])
        expect(stdout).toContain(group);
    },
  );

  test.each([
    [
      ['help', 'history', 'prune'],
      ['history', 'prune', '--help'],
    ],
    [
      ['help', 'admin', 'keys', 'block'],
      ['admin', 'keys', 'block', '--help'],
    ],
    [
      ['help', 'batch', 'worker', 'all'],
      ['batch', 'worker', '--help', 'all'],
    ],
  ])('%j is %j', async (asked, meant) => {
    const [one, other] = await Promise.all([home.run(asked), home.run(meant)]);
    expect(one).toEqual(other);
    expect(one.code).toBe(0);
    expect(await home.run(['help', 'history', 'nope'])).toMatchObject({ code: 2 });
  });

  test('a flag of ask stands in its help or on one of the pages that it names', async () => {
    const { stdout: own } = await home.run(['ask', '--help']);
    const pages = await Promise.all(Object.keys(topics).map(async (topic) => home.run(['help', topic])));
    for (const page of pages) expect(page).toMatchObject({ code: 0, stderr: '' });
    expect(own).toContain(`cllm help ${Object.keys(topics).join('|')}`);
    for (const flag of Object.keys(askFlags)) {
      const places = [own, ...pages.map(({ stdout }) => stdout)].filter((text) =>
        text.split('\n').some((line) => new RegExp(`^ +(-\\w, )?--${flag}(?![\\w-])`).test(line)),
      );
      expect([flag, places.length]).toEqual([flag, 1]);
    }
  });

  test.each(['ask', ...names])('cllm %s --help fits a screen', async (name) => {
    const lines = (await home.run([name, '--help'])).stdout.trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(50);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test.each(names)('cllm %s --help is its own', async (name) => {
    const { code, stdout } = await home.run([name, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`cllm ${name}`);
  });
});

describe('a typo', () => {
  test.each<[string[], RegExp]>([
    [['--mdoel', 'x', 'hi'], /did you mean --model\?/],
    [['chat', '--ephemral'], /did you mean --ephemeral\?/],
    [['history', 'serach', 'x'], /did you mean search\? see cllm history --help/],
    [['history', 'list', '--jsn'], /did you mean --json\? see cllm history list --help/],
    [['completion', 'bsh'], /did you mean bash\?/],
    [['--frobnicate', 'hi'], /see cllm ask --help/],
  ])('%j is refused with what was probably meant', async (args, message) => {
    const { code, stderr } = await home.run(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(upstream.chatRequests).toHaveLength(0);
  });

  test('in a command is asked as a prompt, and said', async () => {
    const { code, stderr } = await home.run(['histroy', 'list']);
    expect(code).toBe(0);
    expect(stderr).toContain('"histroy" is no command, so it is asked as a prompt; did you mean cllm history?');
  });

  test.each([[['what is this']], [['what', 'is', 'this']], [['x', 'init']]])('%j is no typo', async (args) => {
    expect((await home.run(args)).stderr).not.toContain('did you mean');
  });
});

describe('completion', () => {
  const words = async (...given: string[]): Promise<string[]> =>
    (await home.run(['completion', 'words', '--', ...given])).stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t')[0] as string);

  test.each<[string[], string[]]>([
    [['hist'], ['history']],
    [['history', 'se'], ['search']],
    [['--outp'], ['--output-format', '--output-last-message', '--output-schema']],
    [
      ['--render', ''],
      ['auto', 'markdown', 'plain'],
    ],
    [['-f', ''], [':files']],
    [['chat', '--ephem'], ['--ephemeral']],
    [['config', 'set', 'ren'], ['render']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['--', 'hist'], ['']],
  ])('after %j offers %j', async (given, expected) => {
    expect(await words(...given)).toEqual(expected);
  });

  test('knows the conversations and the models without asking the proxy', async () => {
    upstream.reply(textReply('x'));
    await home.run(['-C', 'garden', '-m', 'used-model', 'roses?']);
    await home.run(['models']);
    const asked = upstream.requests.length;
    expect(await words('-C', 'ga')).toEqual(['garden']);
    expect(await words('history', 'show', '')).toEqual(['garden']);
    expect(await words('-m', '')).toEqual(expect.arrayContaining(['fake', 'used-model']));
    expect(upstream.requests).toHaveLength(asked);
  });

  test('works in bash, whose own function asks for the words', async () => {
    const line =
      'source <(cllm completion bash); COMP_WORDS=(cllm history sh); COMP_CWORD=2; _cllm; echo "${COMPREPLY[@]}"';
    expect((await home.shell(line)).stdout).toBe('show share\n');
  });

  test.each<[string, string, string[]]>([
    ['llama3:8', 'llama3 : 8', ['8b']],
    ['llama3:', 'llama3 :', ['8b', '70b']],
    ['bedrock/anthropic.claude-v2:', 'bedrock/anthropic.claude-v2 :', ['1']],
    ['a::b:', 'a :: b :', ['c']],
    ['lla', 'lla', ['llama3:8b', 'llama3:70b']],
    ['llama3: ', "llama3 : ''", ['']],
    [':', ':', ['']],
  ])('of a model with colons, which split words in bash: %s', async (typed, split, expected) => {
    for (const model of ['llama3:8b', 'llama3:70b', 'bedrock/anthropic.claude-v2:1', 'a::b:c'])
      await home.run(['-m', model, '-q', 'hi']);
    const before = `source <(cllm completion bash); COMP_LINE='cllm -m ${typed}'`;
    const after = '_cllm; echo "${COMPREPLY[@]}"';
    const offered = async (line: string): Promise<string[]> => (await home.shell(line)).stdout.trimEnd().split(' ');
    const asSplit = `${before}; COMP_WORDS=(cllm -m ${split}); COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )); ${after}`;
    expect((await offered(asSplit)).toSorted()).toEqual(expected.toSorted());
  });

  test('of a model with colons where they split no words in bash', async () => {
    await home.run(['-m', 'llama3:8b', '-q', 'hi']);
    const line =
      'source <(cllm completion bash); COMP_WORDBREAKS=" "; COMP_LINE="cllm -m llama3:8"; COMP_WORDS=(cllm -m llama3:8); COMP_CWORD=2; _cllm; echo "${COMPREPLY[@]}"';
    expect((await home.shell(line)).stdout).toBe('llama3:8b\n');
  });

  test('of a model with colons, typed in bash', async () => {
    await home.run(['-m', 'llama3:8b', '-q', 'hi']);
    writeFileSync(
      home.at('rc'),
      `PS1='$ '; cllm() { '${node}' '${builtCli}' "$@"; }; source <(cllm completion bash)\n`,
    );
    const bash = new Terminal(home, ['--noprofile', '--rcfile', home.at('rc'), '-i'], { command: ['bash'] });
    try {
      // Typed before the prompt is there, it would stand on the screen twice.
      await bash.until(/^\$/m);
      bash.type('cllm -m llama3:\t');
      await bash.until('$ cllm -m llama3:8b');
      expect(bash.screen.at(-1)).toBe('$ cllm -m llama3:8b');
    } finally {
      bash.close();
    }
  });

  test.each(['bash', 'zsh', 'fish'])('writes a script for %s, and finds it by $SHELL', async (shell) => {
    const { stdout } = await home.run(['completion', shell]);
    expect(stdout).toContain('cllm completion words --');
    expect((await home.run(['completion'], { env: { SHELL: `/usr/bin/${shell}` } })).stdout).toBe(stdout);
  });
});

describe('words that no command takes', () => {
  test.each<[string[], string]>([
    [['batch', 'a.txt', 'b.txt', '-o', 'out.jsonl'], 'cllm batch does not take "b.txt"'],
    [['chat', 'hello'], 'cllm chat does not take "hello"'],
    [['chat', '--', 'hello'], 'cllm chat does not take "hello"'],
    [['models', 'gpt'], 'cllm models does not take "gpt"'],
    [['replay', 'one', 'two'], 'usage: cllm replay <recording>'],
    [['login', 'sk-canary-0123456789'], 'a key never stands on the command line'],
  ])('%j are refused', async (args, said) => {
    const { code, stderr } = await home.run(args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(said) });
    expect(stderr).not.toContain('canary');
    expect(upstream.requests).toEqual([]);
  });
});

test.each<[string[], string]>([
  [['config', 'set', 'model'], 'something is missing: cllm config set <name> <value>'],
  [['batch'], 'something is missing: cllm batch <file>'],
  [['batch', 'in.txt', '-o'], '-o needs a value'],
  [['compare', '-m', 'a', '-m', '', 'hi'], '--model needs a value'],
  [['--render', 'html', 'hi'], '--render html is none of auto, markdown, plain'],
])('%j says in words what is wrong', async (args, said) => {
  const { code, stderr } = await home.run(args);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(said) });
});
