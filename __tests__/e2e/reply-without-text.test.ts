import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chunk, finishChunk, type FakeUpstream, startFakeUpstream, textChunk } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';

/** Replies that hold something else than text, or beside it: they are told of, and -o writes them. */
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

const png = Buffer.from('89504e470d0a1a0a0000000d', 'hex');
const jpeg = Buffer.from('ffd8ffe000104a464946', 'hex');
const wav = Buffer.from('524946460000000057415645', 'hex');
const dataUrl = (bytes: Buffer, type: string) => ({
  type: 'image_url',
  image_url: { url: `data:${type};base64,${bytes.toString('base64')}` },
});
const delta = (members: Record<string, unknown>) => ({ data: chunk([{ index: 0, delta: members }]) });

function reply(...steps: { data: unknown }[]): void {
  upstream.reply({ steps: [...steps, { data: finishChunk() }, { data: '[DONE]' }] });
}

const image = delta({ images: [dataUrl(png, 'image/png')] });
const audio = delta({ audio: { id: 'a', data: wav.toString('base64'), transcript: 'Hello' } });

describe('in a pipe', () => {
  test.each([
    { name: 'an image', step: image, told: 'the reply has an image: image/png, 12 bytes' },
    { name: 'audio', step: audio, told: 'the reply has audio: audio/wav, 12 bytes' },
    {
      name: 'a call of old',
      step: delta({ function_call: { name: 'add', arguments: '{"a":1}' } }),
      told: 'tool call add {"a":1}',
    },
    {
      name: 'a call',
      step: delta({
        tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'add', arguments: '{}' } }],
      }),
      told: 'tool call add',
    },
    {
      name: 'an image that is elsewhere',
      step: delta({ images: [{ image_url: { url: 'https://cdn.test/\u001B[31mcat.png' } }] }),
      told: String.raw`image of an unknown type, elsewhere: https://cdn.test/\x1b[31mcat.png`,
    },
  ])('a reply of $name alone says so', async ({ step, told }) => {
    reply(step);
    const { code, stdout, stderr } = await home.run(['hi']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toContain(told);
    expect(stderr).not.toContain('\u001B');
  });

  test('where it is kept, how to get it, and that it is kept nowhere', async () => {
    reply(image);
    const kept = await home.run(['-C', 'cats', 'hi']);
    expect(kept.stderr).toMatch(/cllm history show \w+ --format json has it; when asked again, -o FILE\.png writes it/);
    reply(audio);
    expect((await home.run(['--ephemeral', 'hi'])).stderr).toContain('kept nowhere; when asked again, -o FILE.wav');
  });

  test('history show and the Markdown of it name what came, and JSON has it', async () => {
    reply({ data: textChunk('A cat.') }, image, audio);
    await home.run(['-C', 'cats', 'hi']);
    expect((await home.run(['history', 'show', 'cats'])).stdout).toMatch(
      /A cat\.\n\n\[image: image\/png, 12 bytes\]\n\n\[audio: audio\/wav, 12 bytes\]/,
    );
    expect((await home.run(['history', 'show', 'cats', '--format', 'markdown'])).stdout).toContain(
      '*(image: image/png, 12 bytes)*',
    );
    expect((await home.run(['history', 'show', 'cats', '--format', 'json'])).stdout).toContain(png.toString('base64'));
  });
});

describe('-o with the suffix of an image or of a recording', () => {
  test('writes it, its text still goes to stdout', async () => {
    reply({ data: textChunk('A cat.') }, image);
    const { code, stdout, stderr } = await home.run(['-o', 'cat.PNG', 'hi']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'A cat.\n' });
    expect(readFileSync(home.at('cat.PNG'))).toEqual(png);
    expect(stderr).toContain('image/png, 12 bytes, in cat.PNG\n');
  });

  test('takes of several kinds the one that it names', async () => {
    for (const [name, bytes] of [
      ['voice.wav', wav],
      ['cat.png', png],
    ] as const) {
      reply(image, audio);
      expect((await home.run(['-o', name, 'hi'])).code).toBe(0);
      expect(readFileSync(home.at(name))).toEqual(bytes);
    }
  });

  test('numbers several, and leaves out what is elsewhere', async () => {
    reply(delta({ images: [dataUrl(png, 'image/png'), { image_url: { url: 'https://cdn.test/cat.png' } }] }), image);
    expect((await home.run(['-o', 'cat.png', 'hi'])).code).toBe(0);
    expect(readdirSync(home.at('.')).filter((name) => name.startsWith('cat'))).toEqual(['cat-1.png', 'cat-2.png']);
    expect(readFileSync(home.at('cat-2.png'))).toEqual(png);
  });

  test('converts nothing: what came is in the file, and its type is told', async () => {
    reply(delta({ images: [dataUrl(jpeg, 'image/jpeg')] }));
    const { code, stderr } = await home.run(['-o', 'cat.png', 'hi']);
    expect(code).toBe(0);
    expect(readFileSync(home.at('cat.png'))).toEqual(jpeg);
    expect(stderr).toContain('image/jpeg, 10 bytes, in cat.png (as it came; nothing is converted)');
  });

  test.each([
    { name: 'none', steps: [{ data: textChunk('No.') }], why: 'the reply has no image for -o cat.png' },
    { name: 'audio only', steps: [audio], why: 'the reply has no image for -o cat.png' },
    {
      name: 'an address',
      steps: [delta({ images: [{ image_url: { url: 'https://cdn.test/c.png' } }] })],
      why: 'not fetched',
    },
    {
      name: 'a damaged one',
      steps: [delta({ images: [{ image_url: { url: 'data:image/png;base64,%%' } }] })],
      why: 'damaged',
    },
  ])('with $name there is exit 3, and the file stays as it was', async ({ steps, why }) => {
    writeFileSync(home.at('cat.png'), 'an old cat');
    reply(...steps);
    const { code, stderr } = await home.run(['-o', 'cat.png', 'hi']);
    expect(code).toBe(3);
    expect(stderr).toContain(why);
    expect(readFileSync(home.at('cat.png'), 'utf8')).toBe('an old cat');
  });

  test('a reply that is cut is not written', async () => {
    upstream.reply({ steps: [image, { reset: true }] });
    expect((await home.run(['-o', 'cat.png', 'hi'])).code).toBe(3);
    expect(existsSync(home.at('cat.png'))).toBe(false);
  });

  test('another suffix is that of text', async () => {
    reply({ data: textChunk('<svg/>') }, image);
    expect((await home.run(['-o', 'cat.svg', 'hi'])).code).toBe(0);
    expect(readFileSync(home.at('cat.svg'), 'utf8')).toBe('<svg/>');
  });

  test('JSON keeps what came', async () => {
    reply(image);
    const { code, stdout } = await home.run(['-o', 'cat.png', '--output-format', 'json', 'hi']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      completion: { choices: [{ message: { images: [dataUrl(png, 'image/png')] } }] },
    });
  });
});
