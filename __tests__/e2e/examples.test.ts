import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startFakeUpstream, textReply } from '../support/fake-upstream.ts';

const run = promisify(execFile);
const runner = fileURLToPath(new URL('../../scripts/run-example.mjs', import.meta.url));
const { LITELLM_PROXY_URL: _ignored, ...env } = process.env;

test.each([
  ['basic-usage', /^Server-sent events are .*\(\d+ tokens, stop\)\n$/s],
  [
    'streaming',
    /^Server-sent events are .*verdict: complete, model: demo, first token after \d+ ms\nthe fold of all chunks: \d+ characters\n$/s,
  ],
])('the example %s runs against the demo proxy', async (name, output) => {
  const { stdout, stderr } = await run(process.execPath, [runner, name], { env });
  expect(stderr).toBe('');
  expect(stdout).toMatch(output);
});

test.each(['basic-usage', 'streaming'])('the example %s says what went wrong and fails', async (name) => {
  const upstream = await startFakeUpstream();
  try {
    upstream.reply(...Array.from({ length: 3 }, () => textReply('')));
    const failed = run(process.execPath, [runner, name], { env: { ...env, LITELLM_PROXY_URL: upstream.baseUrl } });
    await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('reply_empty') });
  } finally {
    await upstream.close();
  }
});
