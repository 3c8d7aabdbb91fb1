import { UsageError } from '../../outcome/errors.ts';
import { isInlineSchema } from '../../schema/short-form.ts';
import type { Json } from '../../protocol/types.ts';
import {
  choice,
  file,
  filesOf,
  inGroup,
  list,
  mappedList,
  number,
  onPage,
  pairs,
  promptWords,
  settingToggle,
  text,
  toggle,
  type Values,
} from './flag.ts';

/** The flags that several commands share, in the order and the groups of `--help`. */
export const groups = {
  prompt: 'Prompt:',
  conversation: 'Conversation:',
  model: 'Model and request:',
  output: 'Output:',
  limits: 'Retries and limits:',
  proxy: 'Proxy:',
} as const;

/** The pages of `cllm help` that have the flags which few runs need: what each is about. */
export const topics = {
  request: 'what a request holds, and who may answer it',
  tools: 'what a model may call, and who allows it',
  output: 'how a reply is shown, and what counts as one',
  limits: 'tries, waits, sizes and unknown costs',
  connection: 'the way to the proxy, the key, and whom a call is booked on',
} as const;

export const outputFormats = ['text', 'json', 'stream-json'] as const;
export type OutputFormat = (typeof outputFormats)[number];

/** Flags of every command that talks to the proxy. */
export const proxyFlags = onPage(
  'connection',
  [
    'api-key-file',
    'cacert',
    'cert',
    'cert-key',
    'header',
    'tag',
    'metadata',
    'end-user',
    'attribution',
    'trust-project',
  ],
  inGroup(groups.proxy, {
    'base-url': text('the LiteLLM proxy (default http://localhost:4000)'),
    'api-key-file': file('read the key from a file'),
    cacert: file('a PEM file of further certificate authorities'),
    cert: file('a PEM file with a client certificate, for a proxy that asks for one'),
    'cert-key': file('its private key, PEM without a passphrase (default: in the file of --cert)'),
    header: mappedList(list("a further request header, 'K: V'"), header),
    tag: list('a LiteLLM tag for spend reports'),
    metadata: pairs('spend metadata, KEY=VALUE'),
    'end-user': text('the end user whom LiteLLM shall account'),
    attribution: toggle('in CI, mark calls with repository, job and run (default; --no-attribution does not)', {
      isOnByDefault: true,
    }),
    profile: text('a named group of settings', { completes: 'profiles' }),
    'trust-project': toggle('for this run, obey the cllm.yaml of this folder and send to the base URL that it names'),
    demo: toggle('a small proxy inside cllm answers, over HTTP and SSE'),
    debug: toggle('the wire on stderr, redacted'),
  }),
);

export const modelFlags = onPage(
  'request',
  [
    'temperature',
    'top-p',
    'seed',
    'reasoning-effort',
    'stop',
    'stream',
    'param',
    'tools',
    'require-model',
    'fallback',
    'cache',
  ],
  inGroup(groups.model, {
    model: text('the model', { alias: 'm', completes: 'models' }),
    system: filesOf(text('the system prompt, or @FILE', { alias: 's' }), (value) =>
      value.startsWith('@') ? value.slice(1) : undefined,
    ),
    temperature: number('sampling temperature'),
    'max-tokens': number('the longest reply, in tokens', { least: 1, isWhole: true }),
    'top-p': number('nucleus sampling'),
    seed: number('for sampling that can be repeated', { isWhole: true }),
    stop: list('stop at this text'),
    'reasoning-effort': text('none, minimal, low, medium, high'),
    param: mappedList(list('any other field of the request body, KEY=JSON', { alias: 'p' }), parameter),
    tools: file('a JSON file of tool definitions; calls are shown and kept, never run'),
    stream: toggle('stream the reply (default; --no-stream asks for one JSON body)', { isOnByDefault: true }),
    'require-model': text('fail unless the model that answers matches this glob'),
    fallback: settingToggle(
      'take a reply of a fallback (default; --no-fallback asks the proxy for none, and fails when one answers)',
    ),
    cache: settingToggle(
      "take a reply out of the proxy's cache (default; --no-cache asks for a fresh one, and fails when a kept one comes)",
    ),
  }),
);

export const limitFlags = onPage(
  'limits',
  ['retries', 'connect-timeout', 'first-token-timeout', 'idle-timeout', 'max-reply-bytes'],
  inGroup(groups.limits, {
    retries: number('tries again before the first content only (default 2)', { least: 0, isWhole: true }),
    'connect-timeout': number('seconds to connect (default 10; 0 = none)', { least: 0 }),
    'first-token-timeout': number('seconds to the first content (default 300)', { least: 0 }),
    'idle-timeout': number('seconds between two contents (default 120)', { least: 0 }),
    timeout: number('seconds for the whole reply (default 0)', { least: 0 }),
    'max-reply-bytes': number('cut a longer reply (default 256 MiB)', { least: 1, isWhole: true }),
  }),
);

/** Flags of every command that sends prompts. */
export const moneyFlags = onPage(
  'limits',
  ['allow-unknown-cost'],
  inGroup(groups.limits, {
    'max-cost': number('USD: begin nothing past it', { least: 0 }),
    'allow-unknown-cost': toggle('keep --max-cost as far as costs are known'),
  }),
);

/** Flags of every command that sends prompts: how long one may be. */
export const sizeFlags = onPage(
  'limits',
  ['max-input-tokens'],
  inGroup(groups.limits, {
    'max-input-tokens': number('send nothing that has more tokens', { least: 1, isWhole: true }),
  }),
);

/** Flags of the commands that can show what they would send. */
export const previewFlags = inGroup(groups.limits, {
  'dry-run': toggle('show the request, its tokens and its price'),
});

export const conversationFlags = inGroup(groups.conversation, {
  continue: toggle('go on with the latest conversation', { alias: 'c' }),
  conversation: text('go on with that one, or start it under that name', { alias: 'C', completes: 'conversations' }),
  'read-only': toggle('take it as context, and add nothing to it'),
  ephemeral: toggle('keep nothing: no history, no journal'),
});

export const viewFlags = onPage(
  'output',
  ['render', 'reasoning', 'allow-short'],
  inGroup(groups.output, {
    'output-format': choice('text, json or stream-json', outputFormats),
    render: choice('auto (markdown on a terminal), markdown or plain', ['auto', 'markdown', 'plain']),
    reasoning: choice('show (on stderr; default on a terminal) or hide', ['show', 'hide']),
    'allow-short': toggle('a reply cut by length is no failure'),
    quiet: toggle('no receipt', { alias: 'q' }),
  }),
);

export const schemaFlags = onPage(
  'output',
  ['schema-retries', 'extract-lang'],
  inGroup(groups.output, {
    'output-schema': filesOf(text("a JSON schema: FILE, or 'name, age int'", { completes: 'files' }), (given) =>
      isInlineSchema(given) ? undefined : given,
    ),
    'schema-retries': number('with a schema or -x: what is wrong goes back to the model so often (default 0)', {
      least: 0,
      isWhole: true,
    }),
    extract: toggle('only the inside of the first fenced block', { alias: 'x' }),
    'extract-lang': text('of the first one of this language'),
  }),
);

/** Flags of every command in which a model may call tools. */
export const toolFlags = onPage(
  'tools',
  ['mcp', 'allow', 'max-steps', 'verbose'],
  inGroup(groups.model, {
    mcp: list('let the model call the tools of these MCP servers of the proxy, NAME,NAME'),
    allow: list("run without asking: 'mcp:SERVER/TOOL', or a command that the model may choose, 'git log *'"),
    'max-steps': number('requests to the model for one prompt (default 10)', { least: 1, isWhole: true }),
    verbose: toggle('show calls and results whole'),
  }),
);

/** Flags of the command that calls can be answered with. */
export const toolResultFlags = onPage(
  'tools',
  ['tool-result'],
  inGroup(groups.model, {
    'tool-result': filesOf(
      mappedList(list('go on with the result of a call that was shown, ID=TEXT or ID=@FILE'), toolResult),
      (given) => /^[^@]*=@([^]*)$/.exec(given)?.[1],
    ),
  }),
);

/** Flags of every command that takes a prompt from its words, from standard input and from files. */
export const promptFlags = onPage(
  'request',
  ['stdin', 'stdin-timeout'],
  inGroup(groups.prompt, {
    file: filesOf(
      list('with the prompt: text, image, PDF, audio, a folder', { alias: 'f', completes: 'files' }),
      (name) => name,
    ),
    stdin: toggle('read standard input when it is a file or a pipe (default; --no-stdin leaves it alone)', {
      isOnByDefault: true,
    }),
    'stdin-timeout': number('seconds to wait for its first byte (default 60; 0 = for ever)', { least: 0 }),
  }),
);

/** Flags of the command that takes its prompt from a template. */
export const templateFlags = onPage(
  'request',
  ['exec', 'trust-template'],
  inGroup(groups.prompt, {
    template: text('the prompt of a template: NAME or a path', { alias: 't', completes: 'templates' }),
    var: pairs('a variable of the template, NAME=VALUE', { completes: 'variables' }),
    exec: list('the output of a shell command, to go with the prompt'),
    'trust-template': list('let the template whose file has this digest run its commands, sha256:…'),
  }),
);

export const promptWord = { prompt: promptWords('the words of the prompt; - is standard input') };

export const chatFlags = {
  ...conversationFlags,
  ...modelFlags,
  ...toolFlags,
  ...viewFlags,
  ...limitFlags,
  ...moneyFlags,
  ...sizeFlags,
  ...proxyFlags,
};

export const askFlags = {
  ...promptFlags,
  ...templateFlags,
  ...conversationFlags,
  ...modelFlags,
  ...toolFlags,
  ...toolResultFlags,
  ...viewFlags,
  ...inGroup(groups.output, {
    'output-last-message': text('write the reply to a file (.png, .wav: its media)', {
      alias: 'o',
      completes: 'files',
    }),
  }),
  ...schemaFlags,
  ...onPage(
    'output',
    ['record'],
    inGroup(groups.output, {
      record: text('keep the bytes of the stream, with their timing', { completes: 'files' }),
    }),
  ),
  ...limitFlags,
  ...moneyFlags,
  ...sizeFlags,
  ...previewFlags,
  ...proxyFlags,
};

/** What the settings, the client and the history of a run are made from, whichever command it is. */
export const contextFlags = {
  ...proxyFlags,
  ...modelFlags,
  ...limitFlags,
  ...schemaFlags,
  render: viewFlags.render,
  reasoning: viewFlags.reasoning,
  'max-cost': moneyFlags['max-cost'],
  'max-input-tokens': sizeFlags['max-input-tokens'],
  stdin: promptFlags.stdin,
  template: templateFlags.template,
  var: templateFlags.var,
  'trust-template': templateFlags['trust-template'],
  ephemeral: conversationFlags.ephemeral,
};

/** What stands in them on this command line; what its command does not have is not there. */
export type ContextValues = Partial<Values<typeof contextFlags>>;

export const jsonFlag = { json: toggle('as JSON') };

function header(line: string): readonly [name: string, value: string] {
  const [, name, value] = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+):\s*(.*)$/.exec(line) ?? [];
  if (name !== undefined && value !== undefined) return [name.toLowerCase(), value];
  throw new UsageError(`--header ${line.split(':')[0]} is not 'K: V'`, {
    hint: "for example --header 'x-litellm-trace-id: 42'",
  });
}

/** As it was written: an id may hold a `=` (LiteLLM puts Gemini's signatures into ids), so which one ends it only the call tells. */
function toolResult(given: string): string {
  if (given.indexOf('=') >= 1) return given;
  throw new UsageError(`--tool-result ${given} is not ID=TEXT or ID=@FILE`, {
    hint: 'the id stands beside the call: for example --tool-result call_1=@result.json',
  });
}

/** `-p KEY=JSON`. A word that is no JSON is not taken for a string: `-p user=42` and `-p user="42"` differ. */
function parameter(pair: string): readonly [name: string, value: Json] {
  const at = pair.indexOf('=');
  const key = pair.slice(0, at);
  if (at < 1)
    throw new UsageError(`-p ${pair} is not KEY=JSON`, { hint: 'for example -p top_k=40 or -p user=\'"me"\'' });
  try {
    return [key, JSON.parse(pair.slice(at + 1)) as Json];
  } catch {
    throw new UsageError(`-p ${pair}: the value is no JSON`, {
      hint: `a string wants quotes: -p '${key}="${pair.slice(at + 1)}"'`,
    });
  }
}
