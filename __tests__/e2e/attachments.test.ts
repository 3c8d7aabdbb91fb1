import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

/** What goes with a prompt: PDFs, recordings, folders, standard input. */
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

const pdf = '%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n';
const wav = Buffer.from('RIFF\u0024\0\0\0WAVEfmt ', 'latin1');
const base64 = (content: string | Buffer): string => Buffer.from(content).toString('base64');

function write(name: string, content: string | Buffer = name): void {
  mkdirSync(dirname(home.at(name)), { recursive: true });
  writeFileSync(home.at(name), content);
}

type Part = Record<string, unknown>;
const sent = (): string | Part[] => {
  const { messages } = (upstream.chatRequests.at(-1)?.body ?? {}) as { messages?: { content: string | Part[] }[] };
  return messages?.at(-1)?.content ?? '';
};
const names = (): string[] =>
  [...JSON.stringify(sent()).matchAll(/<file name=\\+"(.*?)\\+">/g)].map(([, name]) => name ?? '');

/** What the proxy tells of the model's deployments. */
function telling(...infos: Record<string, unknown>[]): void {
  const plain = upstream.fallback;
  const data = infos.map((info) => ({ model_name: 'test-model', model_info: info }));
  upstream.fallback = (request) => (request.path === '/model/info' ? { body: { data } } : plain(request));
}

describe('a PDF and a recording', () => {
  test('go as the parts that LiteLLM takes, and are in the history', async () => {
    write('report.pdf', pdf);
    write('talk.wav', wav);
    expect(await home.run(['-f', 'report.pdf', '-f', 'talk.wav', 'sum up'])).toMatchObject({ code: 0 });
    const parts = [
      { type: 'text', text: 'sum up' },
      { type: 'file', file: { filename: 'report.pdf', file_data: `data:application/pdf;base64,${base64(pdf)}` } },
      { type: 'input_audio', input_audio: { data: base64(wav), format: 'wav' } },
    ];
    expect(sent()).toEqual(parts);
    const { stdout } = await home.run(['history', 'show', '--format', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({ turns: [{ messages: [{ content: parts }] }] });
    expect((await home.run(['history', 'show'])).stdout).toContain('sum up');
  });

  test('are kept once, and are whole wherever they are read: in the next request, an export, a fork, a page, after a deletion', async () => {
    const report = Buffer.from(pdf.replace('<<>>', '\0'.repeat(200_000)));
    write('report.pdf', report);
    const part = {
      type: 'file',
      file: { filename: 'report.pdf', file_data: `data:application/pdf;base64,${base64(report)}` },
    };
    for (const prompt of ['one', 'two', 'three'])
      expect(await home.run(['-C', 'plan', '-f', 'report.pdf', prompt])).toMatchObject({ code: 0 });
    expect(await home.run(['-C', 'plan', 'four'])).toMatchObject({ code: 0 });
    const { messages } = (upstream.chatRequests.at(-1)?.body ?? {}) as { messages?: { content: string | Part[] }[] };
    expect(messages?.filter(({ content }) => Array.isArray(content)).map(({ content }) => content[1])).toEqual([
      part,
      part,
      part,
    ]);
    expect(statSync(home.at('cllm', 'history.db')).size).toBeLessThan(2 * report.length);
    const occurrences = (text: string): number => text.split(base64(report)).length - 1;
    const exported = await home.run(['history', 'export']);
    expect(occurrences(exported.stdout)).toBe(3);
    expect(await home.run(['history', 'fork', 'plan', '--at', '2', '--as', 'fork'])).toMatchObject({ code: 0 });
    expect(await home.run(['history', 'delete', 'plan', '--yes'])).toMatchObject({ code: 0 });
    expect(occurrences((await home.run(['history', 'show', 'fork', '--format', 'json'])).stdout)).toBe(2);
    expect((await home.run(['history', 'share', 'fork'])).stdout).toContain('class="named">file<');
    expect(await home.run(['history', 'import'], { stdin: exported.stdout })).toMatchObject({ code: 0 });
    expect(await home.run(['history', 'export', 'plan'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(base64(report)),
    });
    expect(await home.run(['history', 'verify'])).toMatchObject({ code: 0 });
  });

  test('come from standard input too', async () => {
    expect(await home.run(['-f', '-', 'sum up'], { stdin: pdf })).toMatchObject({ code: 0 });
    expect(sent()).toMatchObject([
      { type: 'text', text: 'sum up' },
      { type: 'file', file: { filename: 'stdin.pdf' } },
    ]);
  });

  test('are refused for a model that is known not to take them, and for no other', async () => {
    write('report.pdf', pdf);
    telling({ supports_pdf_input: true }, { supports_pdf_input: false });
    const { code, stderr } = await home.run(['-f', 'report.pdf', 'sum up']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('test-model does not take a PDF') });
    expect(upstream.chatRequests).toEqual([]);
    telling({ supports_pdf_input: null });
    expect(await home.run(['-f', 'report.pdf', 'sum up'])).toMatchObject({ code: 0 });
  });

  test('the proxy is asked about its models once, whoever wants to know', async () => {
    write('report.pdf', pdf);
    telling({ supports_pdf_input: true, input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 });
    const flags = ['--max-cost', '1', '--max-input-tokens', '100'];
    expect(await home.run([...flags, '-f', 'report.pdf', 'sum up'])).toMatchObject({ code: 0 });
    expect(upstream.requests.filter(({ path }) => path === '/model/info')).toHaveLength(1);
  });

  test('nothing is asked about the model for text', async () => {
    write('a.txt');
    expect(await home.run(['-f', 'a.txt', 'sum up'])).toMatchObject({ code: 0 });
    expect(upstream.requests.map(({ path }) => path)).toEqual(['/v1/chat/completions']);
  });
});

test('more than one text can hold is exit 2, whatever it is made of', async () => {
  for (const name of ['a.txt', 'b.txt']) write(name, Buffer.alloc(130 * 1024 * 1024, 'x'));
  const { code, stderr } = await home.run(['-f', 'a.txt', '-f', 'b.txt', 'sum up']);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('the limit is 268435456') });
});

describe('what no model takes', () => {
  test.each<[string, Buffer | string, string, string]>([
    ['a.heic', '\0\0\0\u0018ftypheic\0\0', 'is a HEIC image', 'convert it to JPEG'],
    ['a.docx', 'PK\u0003\u0004\0\0', 'is a ZIP archive', 'export it as PDF'],
    ['a.bin', Buffer.from([0x80, 0, 1]), 'is neither UTF-8 text', 'name a text file'],
  ])('%s is exit 2 with what to do, as a file and on standard input', async (name, content, why, todo) => {
    write(name, content);
    const file = await home.run(['-f', name, 'hi']);
    expect(file).toMatchObject({ code: 2, stdout: '' });
    expect(file.stderr).toContain(why);
    expect(file.stderr).toContain(todo);
    expect(await home.run(['hi'], { stdin: Buffer.from(content) })).toMatchObject({ code: 2, stdout: '' });
    expect(await home.run(['batch', name, '-o', 'out.jsonl', '--input-format', 'text'])).toMatchObject({ stdout: '' });
    expect(upstream.chatRequests).toEqual([]);
  });

  test('a PDF in a pipe is no prompt, and a batch is no PDF', async () => {
    const piped = await home.run(['hi'], { stdin: pdf });
    expect(piped).toMatchObject({ code: 2, stderr: expect.stringContaining('standard input is a PDF') });
    expect(piped.stderr).toContain('cllm -f -');
    write('x.txt', pdf);
    const batch = await home.run(['batch', 'x.txt', '-o', 'out.jsonl']);
    expect(batch).toMatchObject({ code: 2, stderr: expect.stringContaining('is a PDF, and not lines of prompts') });
  });
});

describe('a folder', () => {
  test('goes in the order of its names, without what Git and cllm leave out, and says what else is missing', async () => {
    for (const name of [
      'src/b.ts',
      'src/a.ts',
      'src/sub/c.ts',
      'src/Z.md',
      'src/sub/skip.log',
      'src/build/x.js',
      'src/gen/y.ts',
    ])
      write(name);
    write('src/logo.png', Buffer.from('89504e470d0a1a0a00', 'hex'));
    write('src/data.bin', Buffer.from([0x80, 0, 1]));
    write('src/.gitignore', 'build/\n*.log\n!keep.log\n');
    write('src/sub/keep.log');
    write('src/.cllmignore', 'gen\n.gitignore\n.cllmignore\n');
    write('src/.git/config');
    symlinkSync('/etc/passwd', home.at('src', 'link.txt'));
    const { code, stderr } = await home.run(['-f', 'src/', 'review']);
    expect(code).toBe(0);
    expect(names()).toEqual(['src/Z.md', 'src/a.ts', 'src/b.ts', 'src/sub/c.ts', 'src/sub/keep.log']);
    for (const said of ['src/logo.png: image', 'src/data.bin: no text', 'src/link.txt: a link', '-f src/: 5 files'])
      expect(stderr).toContain(said);
  });

  test('has the rules of the repository around it', async () => {
    mkdirSync(home.at('.git'));
    write('.gitignore', '/src/out\n*.tmp\n');
    for (const name of ['src/a.ts', 'src/out/b.ts', 'src/c.tmp']) write(name);
    expect(await home.run(['-f', 'src', 'review'])).toMatchObject({ code: 0 });
    expect(names()).toEqual(['src/a.ts']);
  });

  test('sends no file that looks like a secret, unless it is named by itself', async () => {
    const secrets = [
      '.env',
      '.env.production',
      'id_rsa',
      'tls.key',
      'cert.pem',
      '.npmrc',
      'credentials.json',
      'Service-Account.json',
      'a.tfstate',
    ];
    for (const name of [...secrets, 'code.ts', '.env.example']) write(`src/${name}`);
    write('src/notes.txt', 'x\n-----BEGIN OPENSSH PRIVATE KEY-----\nabc');
    const { code, stderr } = await home.run(['-f', 'src', 'review']);
    expect(code).toBe(0);
    expect(names()).toEqual(['src/.env.example', 'src/code.ts']);
    for (const name of secrets) expect(stderr).toContain(`src/${name}: it looks like a secret`);
    expect(stderr).toContain('src/notes.txt: it holds a private key');
    expect(await home.run(['-f', 'src/.env', 'review'])).toMatchObject({ code: 0 });
    expect(names()).toEqual(['src/.env']);
  });

  test('sends no private key, whoever wrote it down and wherever it stands', async () => {
    write('src/code.ts');
    const key = '-----BEGIN RSA PRIVATE KEY-----\nabc';
    write('src/late.txt', `${'x'.repeat(70_000)}\n${key}`);
    write('src/pgp.asc', '-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc');
    write('src/utf16.txt', Buffer.from(`\uFEFF${key}`, 'utf16le'));
    const { stderr } = await home.run(['-f', 'src', 'review']);
    expect(names()).toEqual(['src/code.ts']);
    for (const name of ['late.txt', 'pgp.asc', 'utf16.txt'])
      expect(stderr).toContain(`src/${name}: it holds a private`);
  });

  test('has its rules read as Git reads them, in the case of their letters and behind a mark of UTF-8', async () => {
    for (const name of ['out.txt', 'Build/a.ts', 'build/b.ts', 'own.ts', 'private.ts']) write(`src/${name}`);
    write('src/.gitignore', '\uFEFFout.txt\r\nbuild/\n*.md\n!README.md\n');
    write('src/readme.md');
    write('src/.git/info/exclude', 'own.ts\n');
    write('src/.cllmignore', Buffer.from('\uFEFFprivate.ts\n.*ignore\n', 'utf16le'));
    expect(await home.run(['-f', 'src', 'review'])).toMatchObject({ code: 0 });
    expect(names()).toEqual(['src/Build/a.ts']);
  });

  test('of which a file of rules can not be used is sent to nobody', async () => {
    for (const folder of ['pipe', 'long', 'stars']) write(`${folder}/${'a'.repeat(100)}`);
    execFileSync('mkfifo', [home.at('pipe', '.gitignore')]);
    write('long/.cllmignore', '#'.repeat(1024 * 1024 + 1));
    write('stars/.gitignore', `${'*a'.repeat(60)}b`);
    for (const [folder, why] of [
      ['pipe', '.gitignore is no file'],
      ['long', '.cllmignore is longer than'],
      ['stars', 'can not be used'],
    ] as const) {
      expect(await home.run(['-f', folder, 'x'])).toMatchObject({ code: 2, stderr: expect.stringContaining(why) });
    }
    expect(upstream.chatRequests).toEqual([]);
  });

  test('says of a name that is no text that it is missing', async () => {
    write('src/a.ts');
    writeFileSync(Buffer.concat([Buffer.from(`${home.at('src')}/`), Buffer.from([0xff, 0x2e, 0x63])]), 'x');
    const { code, stderr } = await home.run(['-f', 'src', 'review']);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining('src/\uFFFD.c: its name is no UTF-8'),
    });
  });

  test('that is empty, too large or gone is exit 2', async () => {
    mkdirSync(home.at('empty'));
    expect(await home.run(['-f', 'empty', 'x'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('has no text file'),
    });
    for (const at of [0, 1, 2]) write(`large/${at}.txt`, 'x'.repeat(8 * 1024 * 1024));
    const large = await home.run(['-f', 'large', 'x']);
    expect(large).toMatchObject({ code: 2, stderr: expect.stringContaining('has more than 20971520 bytes') });
    expect(large.stderr).toContain('.cllmignore');
    for (let at = 0; at <= 2_000; at += 1) write(`many/${at}.txt`, 'x');
    const many = await home.run(['-f', 'many', 'x']);
    expect(many).toMatchObject({ code: 2, stderr: expect.stringContaining('has more than 2000 files') });
    expect(await home.run(['-f', 'gone/', 'x'])).toMatchObject({ code: 2 });
    expect(upstream.chatRequests).toEqual([]);
  });
});

describe('/file in a chat', () => {
  test('takes a file along with the next prompt, and no other', async () => {
    write('report.pdf', pdf);
    upstream.reply(textReply('one.'), textReply('two.'), textReply('three.'));
    const terminal = new Terminal(home, ['chat']);
    await terminal.until('>');
    terminal.type('/file report.pdf\r');
    await terminal.until('report.pdf goes with the next prompt');
    terminal.type('sum up\r');
    await terminal.until('one.');
    expect(sent()).toMatchObject([{ type: 'text', text: 'sum up' }, { type: 'file' }]);
    await terminal.until('>');
    terminal.type('/retry\r');
    await terminal.until('two.');
    expect(sent()).toMatchObject([{ type: 'text', text: 'sum up' }, { type: 'file' }]);
    terminal.type('and?\r');
    await terminal.until('three.');
    expect(sent()).toBe('and?');
    terminal.type('/file gone.txt\r');
    await terminal.until('gone.txt');
    terminal.type('/quit\r');
    expect(await terminal.exitCode).toBe(0);
    terminal.close();
  });
});
