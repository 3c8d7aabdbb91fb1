import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import type { ErrorCode } from '../../src/outcome/errors.ts';
import type { ExitCode, Verdict } from '../../src/outcome/exits.ts';
import {
  callReply,
  chunk,
  defaultUsage,
  errorReply,
  finishChunk,
  type Responder,
  type ScriptedReply,
  type Step,
  textChunk,
  textReply,
} from '../support/fake-upstream.ts';
import type { CliHome, RunningCli } from '../support/run-cli.ts';

/** Where a run can send its request. */
export interface Addresses {
  /** Of the upstream that plays `replies`. */
  upstream: string;
  /** Takes connections and says nothing. */
  silent: string;
  /** Takes a request and closes the connection. */
  hangUp: string;
  /** Nothing listens there. */
  closed: string;
}

type Replies = readonly (ScriptedReply | Responder)[];

/** A run that a situation acts upon. */
export interface Acting {
  run: RunningCli;
  home: CliHome;
  /** Settles with the first request. */
  asked: Promise<unknown>;
  /** Lets the reply go on, where it waits for that. */
  release: () => void;
}

/** One way a run can go, through the built command, and what a program that reads its events sees. */
export interface Situation {
  /** A line of the table in docs/events.md. */
  name: string;
  /** Default: `hi`. */
  args?: readonly string[];
  /** What the upstream answers, request by request; `released` settles when `act` says so. Default "Hello.". */
  replies?: Replies | ((released: Promise<void>) => Replies);
  /** Default: the upstream. */
  baseUrl?: (addresses: Addresses) => string;
  env?: (addresses: Addresses) => Record<string, string | undefined>;
  /** Default: /dev/null. An open pipe stays silent. */
  stdin?: Uint8Array | 'open';
  prepare?: (home: CliHome) => void | Promise<void>;
  /** While the command runs. */
  act?: (acting: Acting) => Promise<void>;
  /** Nobody reads standard output to its end. */
  isCutShort?: boolean;
  verdict: Verdict | null;
  exit: ExitCode;
  /** Of the error that decides the exit code. */
  code: ErrorCode | null;
  /** The types in their order, several of one type in a row as one. */
  events: string;
}

export interface Section {
  title: string;
  situations: readonly Situation[];
}

const half: Step = { data: textChunk('Half a', { role: 'assistant' }) };
const stall: Step = { stall: true };
const done: Step = { data: '[DONE]' };
const endedBy = (finishReason: string, ...more: Step[]): ScriptedReply => ({
  steps: [half, { data: finishChunk(finishReason) }, ...more, done],
});
const frame = (message: string, type: string | null = null): Step => ({
  data: { error: { message, type, code: '500' } },
});
/** As LiteLLM writes what a guardrail raised. */
const blocked = {
  message: "Content blocked: keyword 'kumquat' detected",
  type: 'invalid_request_error',
  param: null,
  code: '400',
  provider_specific_fields: { keyword: 'kumquat', guardrail_name: 'nosecrets', guardrail_mode: 'post_call' },
};
const afterHalf = (...steps: Step[]): ScriptedReply => ({ steps: [half, ...steps] });
const json = (content: string): ScriptedReply => ({
  steps: [{ data: textChunk(content, { role: 'assistant' }) }, { data: finishChunk() }, done],
});
const whole = 'init message result';
function writeTemplate(home: CliHome, name: string, head: string): void {
  mkdirSync(home.at('.cllm', 'templates'), { recursive: true });
  writeFileSync(home.at('.cllm', 'templates', `${name}.md`), `---\n${head}\n---\nSay hi.\n`);
}

const broken = 'init message error result';
const refused = 'init error result';
const usage = 'error result';
const noRetry = ['--retries', '0', 'hi'];

const signalExits = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

async function signalled(run: RunningCli, seen: string, signal: keyof typeof signalExits): Promise<void> {
  await run.untilStdout(seen);
  run.process.kill(signal);
}

function toolChunk(call: Record<string, unknown>): Record<string, unknown> {
  return chunk([{ index: 0, delta: { tool_calls: [call] } }]);
}

function writeSchema(home: CliHome): void {
  const schema = { type: 'object', properties: { answer: { type: 'integer' } }, required: ['answer'] };
  writeFileSync(home.at('schema.json'), JSON.stringify(schema));
}

/** A file stands where the directory of the history would be made. */
function blockHistory(home: CliHome): void {
  writeFileSync(home.at('cllm'), 'in the way');
}

/** Makes a history and raises the version of its schema, which SQLite keeps in four bytes of the file's header. */
async function renewHistory(home: CliHome): Promise<void> {
  await home.run(['first']);
  const file = openSync(home.at('cllm', 'history.db'), 'r+');
  writeSync(file, Buffer.from([0, 0, 0x7f, 0xff]), 0, 4, 60);
  closeSync(file);
}

const success: Section = {
  title: 'The reply is there',
  situations: [
    { name: 'a reply', replies: [textReply('Hello, world.')], verdict: 'complete', exit: 0, code: null, events: whole },
    {
      name: 'a reply in one JSON body (`--no-stream`)',
      args: ['--no-stream', 'hi'],
      verdict: 'complete',
      exit: 0,
      code: null,
      events: 'init message result',
    },
    {
      name: 'a reply with its reasoning',
      replies: [
        {
          steps: [
            { data: chunk([{ index: 0, delta: { role: 'assistant', reasoning_content: 'Hm.' } }]) },
            { data: textChunk('Yes.') },
            { data: finishChunk() },
            done,
          ],
        },
      ],
      verdict: 'complete',
      exit: 0,
      code: null,
      events: 'init reasoning message result',
    },
    {
      name: 'a call of a tool',
      replies: [
        {
          steps: [
            { data: toolChunk({ index: 0, id: 'call_1', function: { name: 'add', arguments: '{"a":' } }) },
            { data: toolChunk({ index: 0, function: { arguments: '1}' } }) },
            { data: finishChunk('tool_calls') },
            done,
          ],
        },
      ],
      verdict: 'complete',
      exit: 0,
      code: null,
      events: 'init tool_use result',
    },
    {
      name: 'a reply without `[DONE]` after its finish_reason',
      replies: [afterHalf({ data: finishChunk() })],
      verdict: 'complete',
      exit: 0,
      code: null,
      events: 'init message result',
    },
    {
      name: 'a connection lost after the finish_reason',
      replies: [afterHalf({ data: finishChunk() }, { reset: true })],
      verdict: 'complete',
      exit: 0,
      code: null,
      events: 'init message result',
    },
    {
      name: 'a reply at the second try',
      replies: [errorReply(503, 'busy', { headers: { 'retry-after': '0' } }), textReply('Hello, world.')],
      verdict: 'complete',
      exit: 0,
      code: null,
      events: 'init retry message result',
    },
    {
      name: 'a reply that matches its schema',
      args: ['--output-schema', 'schema.json', 'hi'],
      prepare: writeSchema,
      replies: [textReply('{"answer": 42}')],
      verdict: 'complete',
      exit: 0,
      code: null,
      events: whole,
    },
    {
      name: 'nothing kept (`--ephemeral`)',
      args: ['--ephemeral', 'hi'],
      verdict: 'complete',
      exit: 0,
      code: null,
      events: whole,
    },
    {
      name: 'cut short by its length limit, and that allowed (`--allow-short`)',
      args: ['--allow-short', 'hi'],
      replies: [endedBy('length')],
      verdict: 'length',
      exit: 0,
      code: null,
      events: 'init message result',
    },
  ],
};

const endings: Section = {
  title: 'The reply did not end well',
  situations: [
    {
      name: 'cut short by its length limit',
      replies: [endedBy('length')],
      verdict: 'length',
      exit: 8,
      code: 'reply_short',
      events: broken,
    },
    {
      name: 'ended by a content filter',
      replies: [endedBy('content_filter')],
      verdict: 'content_filter',
      exit: 3,
      code: 'reply_filtered',
      events: broken,
    },
    {
      name: 'ended without a finish_reason',
      replies: [afterHalf()],
      verdict: 'cut',
      exit: 3,
      code: 'stream_cut',
      events: broken,
    },
    {
      name: '`[DONE]` without a finish_reason',
      replies: [afterHalf(done)],
      verdict: 'cut',
      exit: 3,
      code: 'stream_cut',
      events: broken,
    },
    {
      name: 'the connection was lost',
      replies: [afterHalf({ reset: true })],
      verdict: 'cut',
      exit: 3,
      code: 'stream_cut',
      events: broken,
    },
    {
      name: 'past `--max-reply-bytes`',
      args: ['--max-reply-bytes', '300', 'hi'],
      replies: [textReply('Hello, world. '.repeat(9))],
      verdict: 'cut',
      exit: 3,
      code: 'stream_cut',
      events: 'init message error result',
    },
    {
      name: 'an error frame after some text',
      replies: [afterHalf(frame('it broke'))],
      verdict: 'error',
      exit: 3,
      code: 'stream_error',
      events: broken,
    },
    {
      name: 'an error frame after the finish_reason',
      replies: [afterHalf({ data: finishChunk() }, frame('it broke'))],
      verdict: 'error',
      exit: 3,
      code: 'stream_error',
      events: broken,
    },
    {
      name: 'a budget refusal as an error frame',
      replies: [afterHalf(frame('Budget has been exceeded!', 'budget_exceeded'))],
      verdict: 'error',
      exit: 7,
      code: 'budget_exceeded',
      events: broken,
    },
    {
      name: 'a guardrail of the proxy blocks the reply after some text',
      replies: [afterHalf({ data: { error: blocked } })],
      verdict: 'content_filter',
      exit: 3,
      code: 'reply_filtered',
      events: broken,
    },
    {
      name: 'the connection breaks before any content, and a guardrail of the proxy ran',
      replies: [
        { headers: { 'x-litellm-applied-guardrails': 'nosecrets' }, steps: [{ data: textChunk('') }, { reset: true }] },
      ],
      verdict: 'cut',
      exit: 3,
      code: 'stream_cut',
      events: refused,
    },
    {
      name: 'a data line that is no JSON',
      replies: [afterHalf({ data: '{oops' })],
      verdict: 'error',
      exit: 3,
      code: 'stream_error',
      events: broken,
    },
    {
      name: 'a finish_reason that no table knows',
      replies: [endedBy('melted')],
      verdict: 'error',
      exit: 3,
      code: 'stream_error',
      events: broken,
    },
    {
      name: 'one event past 16 MiB',
      replies: [afterHalf({ raw: `data: "${'x'.repeat(17 * 1024 * 1024)}"\n\n` })],
      verdict: 'error',
      exit: 3,
      code: 'event_too_large',
      events: broken,
    },
    {
      name: 'finished without any content',
      replies: [{ steps: [{ data: finishChunk() }, { data: chunk([], { usage: defaultUsage }) }, done] }],
      verdict: 'empty',
      exit: 3,
      code: 'reply_empty',
      events: refused,
    },
    {
      name: 'no first content within `--first-token-timeout`',
      args: ['--first-token-timeout', '0.2', 'hi'],
      replies: [{ steps: [stall] }],
      verdict: 'timed_out',
      exit: 124,
      code: 'first_token_timeout',
      events: refused,
    },
    {
      name: 'silence for `--idle-timeout`',
      args: ['--idle-timeout', '0.2', 'hi'],
      replies: [afterHalf(stall)],
      verdict: 'timed_out',
      exit: 124,
      code: 'idle_timeout',
      events: broken,
    },
    {
      name: 'not over within `--timeout`',
      args: ['--timeout', '0.5', 'hi'],
      replies: [afterHalf(stall)],
      verdict: 'timed_out',
      exit: 124,
      code: 'total_timeout',
      events: broken,
    },
    {
      name: 'no connection within `--connect-timeout`',
      args: ['--connect-timeout', '0.2', ...noRetry],
      baseUrl: ({ silent }) => silent.replace('http:', 'https:'),
      verdict: 'timed_out',
      exit: 124,
      code: 'connect_timeout',
      events: refused,
    },
  ],
};

const stops: Section = {
  title: 'Somebody stopped it',
  situations: [
    ...(['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal): Situation => ({
      name: `${signal} in the middle of the reply`,
      replies: [afterHalf(stall)],
      act: ({ run }) => signalled(run, 'Half a', signal),
      verdict: 'interrupted',
      exit: signalExits[signal],
      code: 'interrupted',
      events: broken,
    })),
    {
      name: 'SIGINT before the first byte of the answer',
      replies: [{ gate: new Promise(() => {}) }],
      act: async ({ run, asked }) => {
        await asked;
        run.process.kill('SIGINT');
      },
      verdict: 'interrupted',
      exit: 130,
      code: 'interrupted',
      events: refused,
    },
    {
      name: 'SIGTERM in the wait before another try',
      replies: [errorReply(503, 'busy', { headers: { 'retry-after': '60' } })],
      act: ({ run }) => signalled(run, '"retry"', 'SIGTERM'),
      verdict: 'interrupted',
      exit: 143,
      code: 'interrupted',
      events: 'init retry error result',
    },
    {
      name: 'SIGINT while standard input is waited for',
      args: [],
      stdin: 'open',
      act: async ({ run }) => {
        await run.untilStderr('waiting for standard input');
        run.process.kill('SIGINT');
      },
      verdict: null,
      exit: 130,
      code: 'interrupted',
      events: refused,
    },
    {
      name: 'the reader closed the pipe (`| head -1`)',
      // The second piece meets a closed pipe, and nothing ends the stream but cllm.
      replies: (released) => [afterHalf({ gate: released }, { data: textChunk(' more') }, stall)],
      act: async ({ run, release }) => {
        await run.untilStdout('Half a');
        run.process.stdout?.destroy();
        release();
      },
      isCutShort: true,
      verdict: 'interrupted',
      exit: 0,
      code: null,
      events: 'init message',
    },
  ],
};

const refusals: Section = {
  title: 'There was no reply',
  situations: [
    {
      name: 'nothing listens there',
      baseUrl: ({ closed }) => closed,
      args: noRetry,
      verdict: null,
      exit: 5,
      code: 'connection_refused',
      events: refused,
    },
    {
      name: 'the connection closed without an answer',
      baseUrl: ({ hangUp }) => hangUp,
      args: noRetry,
      verdict: null,
      exit: 5,
      code: 'connection_failed',
      events: refused,
    },
    // A label of more than 63 letters is refused by the resolver itself: nobody on the network is asked.
    {
      name: 'a host without an address',
      baseUrl: () => `http://${'x'.repeat(64)}.invalid`,
      args: noRetry,
      verdict: null,
      exit: 5,
      code: 'dns_failed',
      events: refused,
    },
    {
      name: 'no TLS there',
      baseUrl: ({ upstream }) => upstream.replace('http:', 'https:'),
      args: noRetry,
      verdict: null,
      exit: 5,
      code: 'tls_failed',
      events: refused,
    },
    {
      name: 'an HTTP proxy that can not be reached',
      env: ({ closed }) => ({ HTTP_PROXY: closed }),
      baseUrl: () => 'http://proxy.invalid',
      args: noRetry,
      verdict: null,
      exit: 5,
      code: 'http_proxy_failed',
      events: refused,
    },
    {
      name: 'a redirect',
      replies: [{ status: 302, headers: { location: 'http://127.0.0.1:9/' } }],
      verdict: null,
      exit: 5,
      code: 'redirect_refused',
      events: refused,
    },
    {
      name: '503 at every try',
      replies: Array.from({ length: 3 }, () => errorReply(503, 'busy', { headers: { 'retry-after': '0' } })),
      verdict: null,
      exit: 5,
      code: 'server_error',
      events: 'init retry error result',
    },
    {
      name: '401, and no key was sent',
      env: () => ({ LITELLM_PROXY_API_KEY: undefined }),
      replies: [errorReply(401, 'No api key passed in.', { type: 'auth_error' })],
      verdict: null,
      exit: 4,
      code: 'no_key',
      events: refused,
    },
    {
      name: '401, the key is not known',
      replies: [errorReply(401, 'Authentication Error, Invalid proxy server token', { type: 'token_not_found_in_db' })],
      verdict: null,
      exit: 4,
      code: 'key_rejected',
      events: refused,
    },
    {
      name: '400, a proxy without a database does not know the key',
      replies: [errorReply(400, 'No connected db.', { type: 'no_db_connection' })],
      verdict: null,
      exit: 4,
      code: 'key_rejected',
      events: refused,
    },
    {
      name: '403, a model that the key may not use',
      replies: [errorReply(403, 'key not allowed to access model', { type: 'key_model_access_denied' })],
      verdict: null,
      exit: 4,
      code: 'model_not_allowed',
      events: refused,
    },
    {
      name: "401, the proxy's own key at the provider",
      replies: [
        errorReply(401, 'litellm.AuthenticationError: OpenAIException - bad key', { type: 'authentication_error' }),
      ],
      verdict: null,
      exit: 1,
      code: 'provider_auth',
      events: refused,
    },
    {
      name: '429 at every try',
      args: noRetry,
      replies: [errorReply(429, 'slow down')],
      verdict: null,
      exit: 6,
      code: 'rate_limited',
      events: refused,
    },
    ...[422, 429, 400].map((status): Situation => ({
      name: `${status}, a budget is used up`,
      replies: [errorReply(status, 'Budget has been exceeded!', { type: 'budget_exceeded' })],
      verdict: null,
      exit: 7,
      code: 'budget_exceeded',
      events: refused,
    })),
    {
      name: '400, a model that the proxy does not know',
      replies: [errorReply(400, 'Invalid model name passed in model=test-model')],
      verdict: null,
      exit: 1,
      code: 'model_not_found',
      events: refused,
    },
    {
      name: '400, a prompt longer than the model takes',
      replies: [errorReply(400, 'ContextWindowExceededError: prompt is too long')],
      verdict: null,
      exit: 1,
      code: 'context_window_exceeded',
      events: refused,
    },
    {
      name: "400, a prompt against the provider's policy",
      replies: [errorReply(400, 'content_policy_violation')],
      verdict: null,
      exit: 1,
      code: 'content_policy',
      events: refused,
    },
    {
      name: '400, a guardrail of the proxy refuses the prompt',
      replies: [{ status: 400, body: { error: blocked } }],
      verdict: null,
      exit: 12,
      code: 'guardrail_blocked',
      events: refused,
    },
    {
      name: 'the same as the first event of a stream',
      replies: [{ steps: [{ data: { error: blocked } }, done] }],
      verdict: 'error',
      exit: 12,
      code: 'guardrail_blocked',
      events: refused,
    },
    {
      name: 'a budget refusal as the first event of a stream',
      replies: [{ steps: [frame('Budget has been exceeded!', 'budget_exceeded'), done] }],
      verdict: 'error',
      exit: 7,
      code: 'budget_exceeded',
      events: refused,
    },
    {
      name: 'a bad key as the first event of a stream',
      replies: [{ steps: [{ data: { error: { message: 'no', type: 'auth_error', code: '401' } } }, done] }],
      verdict: 'error',
      exit: 4,
      code: 'key_rejected',
      events: refused,
    },
    {
      name: 'too many requests as the first event of a stream, at every try',
      args: noRetry,
      replies: [{ steps: [{ data: { error: { message: 'slow', type: 'throttling_error', code: '429' } } }, done] }],
      verdict: 'error',
      exit: 6,
      code: 'rate_limited',
      events: refused,
    },
    {
      name: '400, another refusal',
      replies: [errorReply(400, 'temperature must be <= 2')],
      verdict: null,
      exit: 1,
      code: 'bad_request',
      events: refused,
    },
    {
      name: '404',
      replies: [{ status: 404, body: { detail: 'Not Found' } }],
      verdict: null,
      exit: 1,
      code: 'not_found',
      events: refused,
    },
    {
      name: '200 with a page of HTML',
      args: noRetry,
      replies: [{ headers: { 'content-type': 'text/html' }, body: '<html><title>Log in</title></html>' }],
      verdict: null,
      exit: 1,
      code: 'unexpected_response',
      events: refused,
    },
    {
      name: '204',
      args: noRetry,
      replies: [{ status: 204 }],
      verdict: null,
      exit: 1,
      code: 'unexpected_response',
      events: refused,
    },
    {
      name: 'a model that is not allowed to answer (`--require-model`)',
      args: ['--require-model', 'gpt-*', 'hi'],
      verdict: 'interrupted',
      exit: 1,
      code: 'served_elsewhere',
      events: refused,
    },
    {
      name: 'a conversation that is not there (`-C gone --read-only`)',
      args: ['-C', 'gone', '--read-only', 'hi'],
      verdict: null,
      exit: 1,
      code: 'not_in_history',
      events: refused,
    },
    {
      name: '`-c`, and the history can not be opened',
      args: ['-c', 'hi'],
      prepare: blockHistory,
      verdict: null,
      exit: 1,
      code: 'history_unusable',
      events: refused,
    },
    {
      name: '`-c`, and a newer cllm wrote the history',
      args: ['-c', 'hi'],
      prepare: renewHistory,
      verdict: null,
      exit: 1,
      code: 'history_newer',
      events: refused,
    },
  ],
};

const mistakes: Section = {
  title: 'The command itself was wrong',
  situations: [
    { name: 'a flag that there is not', args: ['--foo', 'hi'], verdict: null, exit: 2, code: 'usage', events: usage },
    { name: 'a flag without its value', args: ['hi', '-m'], verdict: null, exit: 2, code: 'usage', events: usage },
    { name: 'a flag twice', args: ['-m', 'a', '-m', 'b', 'hi'], verdict: null, exit: 2, code: 'usage', events: usage },
    {
      name: 'a number that is none',
      args: ['--timeout', 'soon', 'hi'],
      verdict: null,
      exit: 2,
      code: 'usage',
      events: usage,
    },
    {
      name: 'a bad setting in `cllm.yaml`',
      prepare: (home) => writeFileSync(home.at('cllm.yaml'), 'timeouts: soon\n'),
      verdict: null,
      exit: 2,
      code: 'config_invalid',
      events: usage,
    },
    {
      name: 'a base URL that is none',
      args: ['--base-url', 'htp://x', 'hi'],
      verdict: null,
      exit: 2,
      code: 'base_url_invalid',
      events: usage,
    },
    {
      name: 'no model chosen',
      env: () => ({ CLLM_MODEL: undefined }),
      verdict: null,
      exit: 2,
      code: 'no_model',
      events: usage,
    },
    {
      name: 'a base URL that a project file alone names, and nobody has allowed',
      env: () => ({ LITELLM_PROXY_URL: undefined }),
      prepare: (home) => writeFileSync(home.at('cllm.yaml'), 'base_url: http://127.0.0.1:9\n'),
      verdict: null,
      exit: 2,
      code: 'project_untrusted',
      events: usage,
    },
    { name: 'no prompt', args: [], verdict: null, exit: 2, code: 'input_invalid', events: usage },
    {
      name: 'standard input that is no UTF-8',
      args: ['look'],
      stdin: Buffer.from([0x68, 0xff]),
      verdict: null,
      exit: 2,
      code: 'input_invalid',
      events: usage,
    },
    {
      name: 'standard input silent for `--stdin-timeout`',
      args: ['--stdin-timeout', '0.1', 'hi'],
      stdin: 'open',
      verdict: null,
      exit: 2,
      code: 'stdin_timeout',
      events: usage,
    },
    {
      name: 'a file that is not there (`-f`)',
      args: ['-f', 'gone.txt', 'hi'],
      verdict: null,
      exit: 2,
      code: 'input_invalid',
      events: usage,
    },
    {
      name: 'a schema that is none',
      args: ['--output-schema', 'schema.json', 'hi'],
      prepare: (home) => writeFileSync(home.at('schema.json'), '{"type": "thing"}'),
      verdict: null,
      exit: 2,
      code: 'schema_invalid',
      events: usage,
    },
    {
      name: 'a template that there is not (`-t`)',
      args: ['-t', 'gone', 'hi'],
      verdict: null,
      exit: 2,
      code: 'template_unknown',
      events: usage,
    },
    {
      name: 'a template with a member that none has',
      args: ['-t', 'bad', 'hi'],
      prepare: (home) => writeTemplate(home, 'bad', 'colour: red'),
      verdict: null,
      exit: 2,
      code: 'template_invalid',
      events: usage,
    },
    {
      name: 'a template of a repository that runs commands, and nobody has allowed it',
      args: ['-t', 'runs', 'hi'],
      prepare: (home) => {
        mkdirSync(home.at('.git'));
        writeTemplate(home, 'runs', 'context: [{name: a, run: [echo, a]}]');
      },
      verdict: null,
      exit: 2,
      code: 'template_untrusted',
      events: usage,
    },
    {
      name: 'a command beside the prompt that fails (`--exec`)',
      args: ['--exec', 'exit 3', 'hi'],
      verdict: null,
      exit: 1,
      code: 'context_failed',
      events: refused,
    },
    {
      name: 'a call that no rule allows (`--allow`), and nobody to ask',
      args: ['--allow', 'echo *', 'hi'],
      replies: [callReply([{ name: 'run_command', args: { argv: ['id'] } }])],
      verdict: 'complete',
      exit: 13,
      code: 'tool_unapproved',
      events: 'init tool_use approval error result',
    },
    {
      name: 'calls past `--max-steps`',
      args: ['--allow', 'echo *', '--max-steps', '1', 'hi'],
      replies: [callReply([{ name: 'run_command', args: { argv: ['echo', 'hi'] } }])],
      verdict: 'complete',
      exit: 3,
      code: 'too_many_steps',
      events: 'init tool_use error result',
    },
    {
      name: 'more input than `--max-input-tokens`',
      args: ['--max-input-tokens', '1', 'a prompt of more than one token, whoever counts'],
      verdict: null,
      exit: 2,
      code: 'input_too_large',
      events: usage,
    },
    {
      name: '`-o` into a directory that is not there',
      args: ['-o', 'gone/out.txt', 'hi'],
      verdict: null,
      exit: 2,
      code: 'input_invalid',
      events: usage,
    },
    {
      name: 'a subcommand that there is not (`cllm history lst`)',
      args: ['history', 'lst'],
      verdict: null,
      exit: 2,
      code: 'usage',
      events: usage,
    },
  ],
};

const afterwards: Section = {
  title: 'Something went wrong after the reply, or twice',
  situations: [
    {
      name: 'a reply without a block to extract',
      args: ['--extract', 'hi'],
      replies: [json('none')],
      verdict: 'complete',
      exit: 9,
      code: 'nothing_to_extract',
      events: broken,
    },
    {
      name: 'a reply that does not match its schema',
      args: ['--output-schema', 'schema.json', 'hi'],
      prepare: writeSchema,
      replies: [json('{"answer": "many"}')],
      verdict: 'complete',
      exit: 9,
      code: 'schema_mismatch',
      events: broken,
    },
    {
      name: '… and was cut short by its length limit',
      args: ['--output-schema', 'schema.json', 'hi'],
      prepare: writeSchema,
      replies: [endedBy('length')],
      verdict: 'length',
      exit: 9,
      code: 'schema_mismatch',
      events: broken,
    },
    {
      name: '… and the history can not be written',
      args: ['--output-schema', 'schema.json', 'hi'],
      prepare: (home) => (writeSchema(home), blockHistory(home)),
      replies: [json('{}')],
      verdict: 'complete',
      exit: 10,
      code: 'history_unsaved',
      events: broken,
    },
    {
      name: '… and the stream was cut',
      args: ['--output-schema', 'schema.json', 'hi'],
      prepare: writeSchema,
      replies: [afterHalf()],
      verdict: 'cut',
      exit: 3,
      code: 'stream_cut',
      events: broken,
    },
    {
      name: 'the history can not be written',
      prepare: blockHistory,
      verdict: 'complete',
      exit: 10,
      code: 'history_unsaved',
      events: 'init message error result',
    },
    {
      name: '… and the reply was cut short by its length limit',
      prepare: blockHistory,
      replies: [endedBy('length')],
      verdict: 'length',
      exit: 10,
      code: 'history_unsaved',
      events: broken,
    },
    {
      name: '… and an error frame came',
      prepare: blockHistory,
      replies: [afterHalf(frame('it broke'))],
      verdict: 'error',
      exit: 3,
      code: 'stream_error',
      events: broken,
    },
    {
      name: '… and a deadline fired',
      args: ['--idle-timeout', '0.2', 'hi'],
      prepare: blockHistory,
      replies: [afterHalf(stall)],
      verdict: 'timed_out',
      exit: 124,
      code: 'idle_timeout',
      events: broken,
    },
    {
      name: '… and SIGINT came',
      prepare: blockHistory,
      replies: [afterHalf(stall)],
      act: ({ run }) => signalled(run, 'Half a', 'SIGINT'),
      verdict: 'interrupted',
      exit: 130,
      code: 'interrupted',
      events: broken,
    },
    {
      name: 'the file of `-o` can not be written any more',
      args: ['-o', 'folder/out.txt', 'hi'],
      prepare: (home) => {
        mkdirSync(home.at('folder'));
      },
      replies: (released) => [afterHalf({ gate: released }, { data: finishChunk() })],
      act: async ({ home, asked, release }) => {
        await asked;
        rmSync(home.at('folder'), { recursive: true });
        release();
      },
      verdict: 'complete',
      exit: 1,
      code: 'output_failed',
      events: broken,
    },
  ],
};

export const sections: readonly Section[] = [success, endings, stops, refusals, mistakes, afterwards];
