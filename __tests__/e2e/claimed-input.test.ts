import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts';
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

const image = Buffer.from('89504e470d0a1a0a00', 'hex');

/** Each way in which standard input comes. */
const ways: [string, (line: string, file: string) => string][] = [
  ['from a file', (line, file) => `${line} < ${file}`],
  ['by a pipe', (line, file) => `cat ${file} | ${line}`],
];

describe.each(ways)('who names standard input gets it, once, and nobody else (%s)', (_way, from) => {
  test.each(['/dev/stdin', '-', '/proc/self/fd/0'])('the key of --api-key-file %s', async (name) => {
    writeFileSync(home.at('key'), 'sk-very-secret\n');
    const { code, stderr } = await home.shell(from(`cllm --api-key-file ${name} hi`, 'key'));
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(upstream.chatRequests[0]?.headers.authorization).toBe('Bearer sk-very-secret');
    expect(upstream.chatRequests[0]?.text).not.toContain('very-secret');
    expect(readFileSync(home.at('cllm', 'history.db')).includes('very-secret')).toBe(false);
  });

  test.each<[string, string, string]>([
    ['the text of -f', '-f', 'hi\n\n<file name="NAME">\nsome text\n</file>'],
    ['the system prompt of -s @', '-s @', 'hi'],
  ])('%s', async (_name, flag, prompt) => {
    writeFileSync(home.at('text'), 'some text\n');
    for (const name of ['/dev/stdin', '-']) {
      const value = flag === '-s @' ? `-s @${name}` : `-f ${name}`;
      const { code, stderr } = await home.shell(from(`cllm ${value} hi`, 'text'));
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const messages = upstream.chatRequests.at(-1)?.body.messages;
      expect(messages?.at(-1)?.content).toBe(prompt.replace('NAME', name === '-' ? 'stdin' : name));
      expect(upstream.chatRequests.at(-1)?.text.split('some text')).toHaveLength(2);
    }
  });

  test('the image of -f', async () => {
    writeFileSync(home.at('a.png'), image);
    const { code, stderr } = await home.shell(from('cllm -f - "what is it"', 'a.png'));
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(upstream.chatRequests[0]?.body.messages?.at(-1)?.content).toEqual([
      { type: 'text', text: 'what is it' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${image.toString('base64')}` } },
    ]);
  });

  test.each<[string, string, string]>([
    ['tools', '[{"type":"function","function":{"name":"add"}}]', 'tools'],
    ['output-schema', '{"type":"object"}', 'response_format'],
  ])('the JSON of --%s', async (flag, text, field) => {
    writeFileSync(home.at('file.json'), text);
    upstream.reply({ body: { choices: [{ message: { role: 'assistant', content: '{}' }, finish_reason: 'stop' }] } });
    const { code, stderr } = await home.shell(from(`cllm --${flag} /dev/stdin hi`, 'file.json'));
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(upstream.chatRequests[0]?.body[field]).toBeDefined();
    expect(upstream.chatRequests[0]?.body.messages?.at(-1)?.content).toBe('hi');
  });

  test.each([
    ['two flags', 'cllm --api-key-file - -f /dev/stdin hi'],
    ['one flag twice', 'cllm -f - -f /dev/stdin hi'],
    ['a flag and the prompt', 'cllm -f - sum - up'],
    ['a flag and a chat', 'cllm chat --api-key-file /dev/stdin'],
    ['a flag and a batch', 'cllm batch - -o out.jsonl --api-key-file /dev/stdin'],
    ['a flag and a login', 'cllm login --base-url http://127.0.0.1:1 --cacert /dev/stdin'],
  ])('%s that both want it are a mistake, and nothing is sent', async (_name, line) => {
    writeFileSync(home.at('text'), 'some text\n');
    const { code, stderr } = await home.shell(from(line, 'text'));
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('standard input is named twice') });
    expect(upstream.requests).toEqual([]);
  });
});

describe('text that is no UTF-8', () => {
  const powershell = Buffer.from('\uFEFFwhat is ö?\r\n', 'utf16le');

  test.each<[string, string]>([
    ['as the prompt', 'cllm < utf16'],
    ['as an attachment', 'cllm -f utf16 hi'],
    ['as a system prompt', 'cllm -s @utf16 hi'],
    ['as the items of a batch', 'cllm batch utf16 -o out.jsonl'],
    ['as lines of a chat', 'cllm chat < utf16'],
  ])('is read as UTF-16 %s', async (_name, line) => {
    writeFileSync(home.at('utf16'), powershell);
    const { code, stderr } = await home.shell(line);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(upstream.chatRequests[0]?.text).toContain('what is ö?');
    expect(upstream.chatRequests[0]?.text).not.toMatch(/\\u0000|\uFFFD|\uFEFF/);
  });

  test.each<[string, string]>([
    ['as the prompt', 'cllm < latin1'],
    ['as an attachment', 'cllm -f latin1 hi'],
    ['as a system prompt', 'cllm -s @latin1 hi'],
    ['as a key', 'cllm --api-key-file latin1 hi'],
    ['as a schema', 'cllm --output-schema latin1 hi'],
    ['as a line of a chat', 'cllm chat < latin1'],
    ['as a word', 'cllm "$(cat latin1)"'],
    ['as an import', 'cllm history import latin1'],
  ])('is refused %s, and nothing is sent', async (_name, line) => {
    mkdirSync(home.at('cllm'), { recursive: true });
    writeFileSync(home.at('latin1'), Buffer.from('sk-sch\u00f6n', 'latin1'));
    const { code, stderr } = await home.shell(line);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('is no UTF-8 text') });
    expect(upstream.chatRequests).toEqual([]);
  });
});

describe('settings that are no UTF-8', () => {
  const files: [string, string, string][] = [
    ['the user file', 'cllm/config.json', '{"system":"schön"}'],
    ['a project file', 'cllm.yaml', 'system: schön\n'],
  ];

  test.each(files)('are read as UTF-16: %s', async (_name, file, text) => {
    mkdirSync(home.at('cllm'), { recursive: true });
    writeFileSync(home.at(file), Buffer.from(`\uFEFF${text}`, 'utf16le'));
    const { code, stderr } = await home.run(['hi']);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(upstream.chatRequests[0]?.body.messages?.[0]).toEqual({ role: 'system', content: 'schön' });
  });

  test.each(files)('are refused as Latin-1, and nothing is sent: %s', async (_name, file, text) => {
    mkdirSync(home.at('cllm'), { recursive: true });
    writeFileSync(home.at(file), Buffer.from(text, 'latin1'));
    const { code, stderr } = await home.run(['hi']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('is no UTF-8 text') });
    expect(upstream.chatRequests).toEqual([]);
  });

  test('stand in no way of the command that mends them', async () => {
    mkdirSync(home.at('cllm'), { recursive: true });
    writeFileSync(home.at('cllm/config.json'), Buffer.from('{"system":"schön"}', 'latin1'));
    expect(await home.run(['config', 'set', 'model', 'm'])).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(home.at('cllm/config.json'), 'utf8'))).toEqual({ model: 'm' });
  });
});

describe('where nothing can be known of the place', () => {
  test.each<[string, number, RegExp]>([
    ['--help', 0, /^$/],
    ['-q hi', 0, /^$/],
    ['config path', 0, /^$/],
    ['-f notes.txt hi', 2, /-f notes.txt: cannot be read \(ENOENT\)/],
  ])('a deleted working directory: cllm %s', async (args, code, said) => {
    const result = await home.shell(`mkdir gone && cd gone && rmdir ../gone && cllm ${args}`);
    expect(result).toMatchObject({ code, stderr: expect.stringMatching(said) });
    expect(result.stderr).not.toMatch(/node:internal|internal error/);
  });

  test('no HOME: CLLM_HOME is all that is needed', async () => {
    const { code, stderr } = await home.shell('unset HOME; cllm hi');
    expect({ code, stderr }).toMatchObject({ code: 0 });
  });
});
