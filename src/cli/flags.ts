import type { Options } from 'yargs';

/**
 * The flags of `ask`, in the order and the groups of `--help`. Numbers are strings to yargs: it would make NaN of a word
 * and an array of a flag that is given twice, both in silence; flags/given-flags.ts refuses them by name.
 */
const text = (describe: string, more: Options = {}): Options => ({
  type: 'string',
  requiresArg: true,
  describe,
  ...more,
});
const list = (describe: string, more: Options = {}): Options => text(describe, { array: true, ...more });
const toggle = (describe: string, more: Options = {}): Options => ({ type: 'boolean', describe, ...more });

export const groups = {
  prompt: 'Prompt:',
  conversation: 'Conversation:',
  model: 'Model and request:',
  output: 'Output:',
  limits: 'Retries and limits:',
  proxy: 'Proxy:',
} as const;

const inGroup = (group: string, options: Record<string, Options>): Record<string, Options> =>
  Object.fromEntries(Object.entries(options).map(([name, option]) => [name, { ...option, group }]));

/** Flags of every command that talks to the proxy. */
export const proxyFlags = inGroup(groups.proxy, {
  'base-url': text('the LiteLLM proxy (default http://localhost:4000)'),
  'api-key-file': text('read the key from a file'),
  cacert: text('a PEM file of further certificate authorities'),
  cert: text('a PEM file with a client certificate, for a proxy that asks for one'),
  'cert-key': text('its private key, PEM without a passphrase (default: in the file of --cert)'),
  header: list("a further request header, 'K: V'"),
  tag: list('a LiteLLM tag for spend reports'),
  metadata: list('spend metadata, KEY=VALUE'),
  'end-user': text('the end user whom LiteLLM shall account'),
  attribution: toggle('in CI, mark calls with repository, job and run (default; --no-attribution does not)'),
  profile: text('a named group of settings'),
  'trust-project': toggle('for this run, obey the cllm.yaml of this folder and send to the base URL that it names'),
  demo: toggle('a small proxy inside cllm answers, over real HTTP and SSE'),
  debug: toggle('the wire on stderr, redacted'),
});

export const modelFlags = inGroup(groups.model, {
  model: text('the model', { alias: 'm' }),
  system: text('the system prompt, or @FILE', { alias: 's' }),
  temperature: text('sampling temperature'),
  'max-tokens': text('the longest reply, in tokens'),
  'top-p': text('nucleus sampling'),
  seed: text('for sampling that can be repeated'),
  stop: list('stop at this text'),
  'reasoning-effort': text('none, minimal, low, medium, high'),
  param: list('any other field of the request body, KEY=JSON', { alias: 'p' }),
  tools: text('a JSON file of tool definitions; calls are shown and kept, never run'),
  stream: toggle('stream the reply (default; --no-stream asks for one JSON body)'),
  'require-model': text('fail unless the model that answers matches this glob'),
  fallback: toggle('take a reply of a fallback (default; --no-fallback fails)'),
  cache: toggle("take a reply out of the proxy's cache (default; --no-cache fails)"),
});

export const limitFlags = inGroup(groups.limits, {
  retries: text('tries again before the first content only (default 2)'),
  'connect-timeout': text('seconds to connect (default 10; 0 = none)'),
  'first-token-timeout': text('seconds to the first content (default 300)'),
  'idle-timeout': text('seconds between two contents (default 120)'),
  timeout: text('seconds for the whole reply (default 0)'),
  'max-reply-bytes': text('cut a longer reply (default 256 MiB)'),
});

/** Flags of every command that sends prompts. */
export const moneyFlags = inGroup(groups.limits, {
  'max-cost': text('USD: begin nothing past it'),
  'allow-unknown-cost': toggle('keep --max-cost as far as costs are known'),
});

const conversationFlags = inGroup(groups.conversation, {
  continue: toggle('go on with the latest conversation', { alias: 'c' }),
  conversation: text('go on with that one, or start it under that name', { alias: 'C' }),
  'read-only': toggle('use the conversation as context, add nothing to it'),
  ephemeral: toggle('keep nothing: no history, no journal'),
});

export const viewFlags = inGroup(groups.output, {
  'output-format': text('text, json or stream-json', { choices: ['text', 'json', 'stream-json'] }),
  render: text('auto (markdown on a terminal), markdown or plain', { choices: ['auto', 'markdown', 'plain'] }),
  reasoning: text('show (on stderr; default on a terminal) or hide', { choices: ['show', 'hide'] }),
  'allow-short': toggle('a reply cut by length is no failure'),
  quiet: toggle('no receipt', { alias: 'q' }),
});

export const chatFlags: Record<string, Options> = {
  ...conversationFlags,
  ...modelFlags,
  ...viewFlags,
  ...limitFlags,
  ...moneyFlags,
  ...proxyFlags,
};

export const askFlags: Record<string, Options> = {
  ...inGroup(groups.prompt, {
    file: list('a text file or an image to go with the prompt', { alias: 'f' }),
    stdin: toggle('read standard input when it is a file or a pipe (default; --no-stdin leaves it alone)'),
    'stdin-timeout': text('seconds to wait for its first byte (default 60; 0 = for ever)'),
  }),
  ...conversationFlags,
  ...modelFlags,
  ...viewFlags,
  ...inGroup(groups.output, {
    'output-last-message': text(
      'write the reply to a file, whole or not at all (.png, .wav, …: its images, its audio)',
      { alias: 'o' },
    ),
    'output-schema': text('a JSON schema that the reply must match'),
    record: text('keep the bytes of the stream, with their timing'),
  }),
  ...limitFlags,
  ...moneyFlags,
  ...proxyFlags,
};

/** What yargs makes of the flags above: one value, several, or none. */
export type Flags = Readonly<Record<string, unknown>>;
