import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { describeLitellm, litellmProxy } from '../support/litellm.ts';
import { CliHome } from '../support/run-cli.ts';

/** What a provider gets of a file, in its own words, through the built command and the real LiteLLM. */
describeLitellm('a file that goes with a prompt', () => {
  const pdf = '%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n';
  const wav = Buffer.from('RIFF\u0024\0\0\0WAVEfmt \u0010\0\0\0\u0001\0\u0001\0', 'latin1');
  const base64 = (content: string | Buffer): string => Buffer.from(content).toString('base64');
  let home: CliHome;

  beforeEach(() => {
    const { baseUrl, masterKey } = litellmProxy();
    home = new CliHome({ LITELLM_PROXY_URL: baseUrl, LITELLM_PROXY_API_KEY: masterKey });
    writeFileSync(home.at('report.pdf'), pdf);
    writeFileSync(home.at('talk.wav'), wav);
  });

  afterEach(() => home.close());

  async function got(model: string, file: string, tag: string): Promise<string> {
    const { code, stdout, stderr } = await home.run(['-m', model, '-f', file, `[text tag=${tag}] sum up`]);
    expect({ code, stderr, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('Hello') });
    const requests = await litellmProxy().provider.requests(tag);
    expect(requests).toHaveLength(1);
    return JSON.stringify(requests[0]?.body);
  }

  test('reaches OpenAI as it went out', async () => {
    const sent = await got('fake-openai', 'report.pdf', 'pdf-openai');
    expect(sent).toContain(`"file_data":"data:application/pdf;base64,${base64(pdf)}"`);
    expect(sent).toContain('"filename":"report.pdf"');
    expect(await got('fake-openai', 'talk.wav', 'wav-openai')).toContain(
      `"input_audio":{"data":"${base64(wav)}","format":"wav"}`,
    );
  });

  test('reaches Anthropic as a document', async () => {
    const sent = await got('fake-anthropic', 'report.pdf', 'pdf-anthropic');
    expect(sent).toContain('"type":"document"');
    expect(sent).toContain('"media_type":"application/pdf"');
    expect(sent).toContain(base64(pdf));
  });

  test('reaches Gemini as inline data, a recording too', async () => {
    const sent = await got('fake-gemini', 'report.pdf', 'pdf-gemini');
    expect(sent).toContain('application/pdf');
    expect(sent).toContain(base64(pdf));
    const heard = await got('fake-gemini', 'talk.wav', 'wav-gemini');
    expect(heard).toContain('audio/wav');
    expect(heard).toContain(base64(wav));
  });
});
