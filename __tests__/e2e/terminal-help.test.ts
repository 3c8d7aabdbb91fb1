import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { commandTable } from '../../src/cli/command-table.ts';
import { type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';

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

  test('cllm ask --help has every flag, in groups', async () => {
    const { stdout } = await home.run(['ask', '--help']);
    for (const flag of ['--render', '--model', '--file', '--idle-timeout', '--end-user', '--output-schema'])
      expect(stdout).toContain(flag);
    for (const group of ['Prompt:', 'Conversation:', 'Output:', 'Proxy:', 'Examples:']) expect(stdout).toContain(group);
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
    expect((await home.shell(line)).stdout).toBe('show\n');
  });

  test.each(['bash', 'zsh', 'fish'])('writes a script for %s, and finds it by $SHELL', async (shell) => {
    const { stdout } = await home.run(['completion', shell]);
    expect(stdout).toContain('cllm completion words --');
    expect((await home.run(['completion'], { env: { SHELL: `/usr/bin/${shell}` } })).stdout).toBe(stdout);
  });
});
