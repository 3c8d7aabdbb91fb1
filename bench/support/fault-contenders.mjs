import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './command.mjs';

/** The clients of faults.bench.mjs: each asks once and says how that ended: `{ isOk, content, finishReason }`. */

const failed = { isOk: false, content: '', finishReason: null };
const replied = (choice) => ({
  isOk: true,
  content: choice?.message?.content ?? '',
  finishReason: choice?.finish_reason ?? null,
});

/** Seconds. A scenario's own limits are stronger. */
export const deadline = 0.5;

export async function libraryContender({ baseUrl, key }) {
  const { LiteLLMClient } = await import(pathToFileURL(path.join(root, 'dist/index.js')).href);
  const headers = { 'x-litellm-key': key };
  const options = { baseUrl, apiKey: key, headers, retries: 0, firstTokenTimeout: deadline, idleTimeout: deadline };
  const shared = new LiteLLMClient(options);
  return {
    name: 'cllm, library',
    async ask(prompt, { limits, signal }) {
      const client = Object.keys(limits).length === 0 ? shared : new LiteLLMClient({ ...options, ...limits });
      try {
        const { error, completion } = await client.stream({ model: 'm', messages: prompt }, { signal }).result();
        return error === null ? replied(completion?.choices[0]) : failed;
      } finally {
        if (client !== shared) await client.close();
      }
    },
    close: () => shared.close(),
  };
}

export function commandContender({ baseUrl, key, home }) {
  const flags = {
    firstTokenTimeout: '--first-token-timeout',
    idleTimeout: '--idle-timeout',
    timeout: '--timeout',
    maxReplyBytes: '--max-reply-bytes',
  };
  const env = { PATH: process.env.PATH, HOME: home, CLLM_HOME: path.join(home, 'cllm'), CLLM_MODEL: 'm' };
  return {
    name: 'cllm, command',
    isSlow: true,
    async ask(prompt, { limits, signal }) {
      const all = { firstTokenTimeout: deadline, idleTimeout: deadline, ...limits };
      const args = Object.entries(all).flatMap(([name, value]) => (flags[name] ? [flags[name], String(value)] : []));
      const asking = ['--output-format', 'json', '--retries', '0', '--header', `x-litellm-key: ${key}`, '--', prompt];
      const child = spawn(process.execPath, [path.join(root, 'dist/cli/bin.js'), ...args, ...asking], {
        cwd: home,
        env: { ...env, LITELLM_PROXY_URL: baseUrl, LITELLM_PROXY_API_KEY: key },
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      let stdout = '';
      child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
      signal.addEventListener('abort', () => child.kill('SIGKILL'));
      const code = await new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once('close', resolve);
      });
      return code === 0 ? replied(JSON.parse(stdout).completion?.choices[0]) : failed;
    },
    close: () => {},
  };
}

/** Both ways to read a stream that openai-node documents. Its `timeout` is the only deadline it has. */
export function openaiContenders({ baseUrl, key, peers }) {
  const OpenAI = createRequire(peers.openai)('openai').default;
  const client = new OpenAI({
    baseURL: `${baseUrl}/v1`,
    apiKey: key,
    defaultHeaders: { 'x-litellm-key': key },
    maxRetries: 0,
    timeout: deadline * 1000,
    // It writes what it can not parse to standard error.
    logLevel: 'off',
  });
  const request = (prompt) => ({ model: 'm', messages: [{ role: 'user', content: prompt }] });
  const name = `openai-node ${peers.packages.openai}`;
  return [
    {
      name: `${name}, for await`,
      async ask(prompt, { signal }) {
        const choice = { message: { content: '' }, finish_reason: null };
        try {
          const stream = await client.chat.completions.create({ ...request(prompt), stream: true }, { signal });
          for await (const { choices } of stream) {
            choice.message.content += choices?.[0]?.delta?.content ?? '';
            choice.finish_reason = choices?.[0]?.finish_reason ?? choice.finish_reason;
          }
        } catch {
          return failed;
        }
        return replied(choice);
      },
      close: () => {},
    },
    {
      name: `${name}, .stream()`,
      async ask(prompt, { signal }) {
        try {
          const stream = client.chat.completions.stream(request(prompt), { signal });
          return replied((await stream.finalChatCompletion()).choices[0]);
        } catch {
          return failed;
        }
      },
      close: () => {},
    },
  ];
}
