import type { CllmError, ErrorCode } from './errors.ts';
import type { ExitName } from './exits.ts';

/** What an error comes to. */
interface ErrorRow {
  /** The exit code that it gives, by its name in `exits`. */
  exit: ExitName;
  /** What to do about it, for an error that can not say it better itself: begins small, without a full stop. */
  nextStep: string;
}

/** The one table of errors, a row a code: exit codes, hints and both columns of docs/errors.md come from it. */
export const errorTable: Record<ErrorCode, ErrorRow> = {
  // What was asked for makes no sense.
  usage: { exit: 'usage', nextStep: 'see cllm --help' },
  config_invalid: { exit: 'usage', nextStep: 'see what is set, and where: cllm config explain' },
  input_invalid: { exit: 'usage', nextStep: 'see cllm --help for where a prompt comes from' },
  stdin_timeout: { exit: 'usage', nextStep: 'close standard input (< /dev/null), or ignore it (--no-stdin)' },
  base_url_invalid: { exit: 'usage', nextStep: 'name the proxy with --base-url, or: cllm config set base_url URL' },
  project_untrusted: { exit: 'usage', nextStep: 'look at the cllm.yaml, and allow it with: cllm config trust' },
  template_unknown: { exit: 'usage', nextStep: 'cllm templates list shows what there is' },
  template_invalid: { exit: 'usage', nextStep: 'correct the template, and look at it with: cllm templates check' },
  template_untrusted: { exit: 'usage', nextStep: 'look at it with cllm templates show, then: cllm templates trust' },
  no_model: {
    exit: 'usage',
    nextStep: 'choose one of `cllm models` with -m, or as default: cllm config set model NAME',
  },
  input_too_large: { exit: 'usage', nextStep: 'shorten the input, or allow more with --max-input-tokens' },
  context_failed: {
    exit: 'failed',
    nextStep: 'try the command by itself; on_failure: warn in the template asks all the same',
  },
  schema_invalid: {
    exit: 'usage',
    nextStep: '--output-schema takes a JSON schema of draft 07, 2019-09 or 2020-12: a file, or the JSON itself',
  },
  // The key.
  no_key: { exit: 'auth', nextStep: 'enter a key for this proxy with `cllm login`, or set LITELLM_PROXY_API_KEY' },
  key_rejected: {
    exit: 'auth',
    nextStep: 'enter a valid key with `cllm login`; `cllm whoami` shows what a key may do',
  },
  model_not_allowed: { exit: 'auth', nextStep: '`cllm models` lists what this key may use' },
  // The way to the proxy.
  dns_failed: { exit: 'unreachable', nextStep: 'check the host in --base-url; `cllm doctor` looks at each step' },
  connection_refused: {
    exit: 'unreachable',
    nextStep: 'check --base-url, or start a proxy with `cllm proxy up`; `cllm doctor` looks at each step',
  },
  connection_failed: { exit: 'unreachable', nextStep: 'try again; `cllm doctor` looks at each step' },
  tls_failed: {
    exit: 'unreachable',
    nextStep:
      'name the certificate authority with --cacert, a client certificate with --cert; `cllm doctor` shows the certificate',
  },
  http_proxy_failed: {
    exit: 'unreachable',
    nextStep: 'check HTTPS_PROXY, HTTP_PROXY and NO_PROXY; `cllm doctor` looks at each step',
  },
  redirect_refused: { exit: 'unreachable', nextStep: 'name the address that the redirect leads to with --base-url' },
  server_error: { exit: 'unreachable', nextStep: 'try again later, or another model of `cllm models`' },
  // What the proxy, or the provider behind it, refused.
  rate_limited: { exit: 'throttled', nextStep: 'try again later; `cllm whoami` shows the limits of this key' },
  budget_exceeded: { exit: 'budget', nextStep: '`cllm whoami` shows whose budget it is and when it resets' },
  cost_cap: { exit: 'budget', nextStep: 'allow more with --max-cost' },
  model_not_found: { exit: 'failed', nextStep: '`cllm models` lists what the proxy serves' },
  provider_auth: {
    exit: 'failed',
    nextStep: 'an admin of the proxy has to look at its key for that provider; try another model of `cllm models`',
  },
  context_window_exceeded: {
    exit: 'failed',
    nextStep: 'shorten the prompt, or choose a model with a larger context: cllm models',
  },
  content_policy: { exit: 'failed', nextStep: 'change the prompt, or ask another model with -m' },
  guardrail_blocked: {
    exit: 'blocked',
    nextStep: "change what the rule forbids; the proxy's admin knows the rule, and --debug shows the wire",
  },
  bad_request: {
    exit: 'failed',
    nextStep: 'check the flags that change the request (-p, --tools, --output-schema); --debug shows the wire',
  },
  not_found: { exit: 'failed', nextStep: 'check the path in --base-url; `cllm doctor` looks at each step' },
  unexpected_response: { exit: 'failed', nextStep: 'check that --base-url is a LiteLLM proxy: cllm doctor' },
  served_elsewhere: {
    exit: 'failed',
    nextStep: 'ask again later, or loosen what is allowed: --require-model, --no-fallback, --no-cache',
  },
  // How a stream ended, one for each verdict but `complete`.
  stream_cut: { exit: 'incomplete', nextStep: 'ask again, or go on from what came with -c' },
  stream_error: { exit: 'incomplete', nextStep: 'ask again, or ask another model with -m' },
  event_too_large: { exit: 'incomplete', nextStep: 'ask another model with -m, or for less with --max-tokens' },
  reply_empty: {
    exit: 'incomplete',
    nextStep: 'ask again, or allow more tokens with --max-tokens: reasoning may have used them up',
  },
  reply_filtered: { exit: 'incomplete', nextStep: 'change the prompt, or ask another model with -m' },
  reply_short: { exit: 'short', nextStep: 'raise --max-tokens, or accept short replies with --allow-short' },
  // Without a signal: the reader closed the pipe, which is no failure.
  interrupted: { exit: 'ok', nextStep: 'ask again, or go on from what came with -c' },
  connect_timeout: {
    exit: 'timeout',
    nextStep: 'allow more time with --connect-timeout SECONDS; `cllm doctor` looks at each step',
  },
  first_token_timeout: { exit: 'timeout', nextStep: 'allow more time with --first-token-timeout SECONDS' },
  idle_timeout: { exit: 'timeout', nextStep: 'allow more time with --idle-timeout SECONDS' },
  total_timeout: { exit: 'timeout', nextStep: 'allow more time with --timeout SECONDS' },
  // What came after the reply.
  nothing_to_extract: { exit: 'schema', nextStep: 'ask again, for a block of code between fences' },
  schema_mismatch: { exit: 'schema', nextStep: 'ask again, or loosen the schema of --output-schema' },
  history_unsaved: {
    exit: 'unsaved',
    nextStep: '`cllm history path` says where the history is, `cllm history verify` checks it',
  },
  output_failed: { exit: 'failed', nextStep: 'free some space or name another place for the output' },
  apply_partial: {
    exit: 'partial',
    nextStep: 'run the same `cllm admin apply` again: it goes on where this one ended',
  },
  batch_partial: { exit: 'partial', nextStep: 'run the same `cllm batch` again: it tries what failed once more' },
  // A batch over many machines.
  queue_unavailable: {
    exit: 'usage',
    nextStep: 'install what a queue needs: npm install -g cllm bullmq ioredis (docs/queue.md)',
  },
  queue_failed: { exit: 'unreachable', nextStep: 'check the URL of the queue, and Redis itself: cllm batch status' },
  no_worker: { exit: 'unreachable', nextStep: 'start one with: cllm batch worker; cllm batch status shows them' },
  worker_lost: {
    exit: 'failed',
    nextStep: 'try it without --queue, or look at what it asks for: two workers did not come back from it',
  },
  // The MCP servers of the proxy.
  mcp_unknown: {
    exit: 'usage',
    nextStep: 'cllm mcp list shows the servers, and cllm mcp tools SERVER what each can do',
  },
  mcp_not_allowed: {
    exit: 'auth',
    nextStep: 'cllm mcp list shows what this key may use; an admin of the proxy allows more',
  },
  mcp_unavailable: { exit: 'unreachable', nextStep: 'try again later; cllm mcp list shows which servers answer' },
  tool_failed: { exit: 'failed', nextStep: 'check the arguments: cllm mcp tools SERVER shows what a tool takes' },
  // Tools that a model calls.
  tool_unapproved: {
    exit: 'unapproved',
    nextStep: "allow it, and go on from there: cllm -c --mcp … --allow 'mcp:SERVER/TOOL'; or go on at a terminal",
  },
  too_many_steps: { exit: 'incomplete', nextStep: 'go on from there with -c, or allow more with --max-steps' },
  // The history, asked for by itself.
  history_unusable: {
    exit: 'failed',
    nextStep: '`cllm history path` says where the history is, `cllm history verify` checks it',
  },
  history_newer: { exit: 'failed', nextStep: 'update cllm, or keep another history with CLLM_HOME' },
  not_in_history: { exit: 'failed', nextStep: 'cllm history list shows what there is' },
  // A proxy on this machine.
  local_proxy_unavailable: { exit: 'failed', nextStep: 'see what is missing with `cllm doctor`' },
  local_proxy_failed: { exit: 'failed', nextStep: 'see what it said: cllm proxy logs' },
  internal: {
    exit: 'failed',
    nextStep: 'this is a bug in cllm: please report it with the command that shows it, and --debug',
  },
};

/** What somebody who meets the error can do: its own hint, which knows the case, else what holds for its code. */
export function nextStep(error: CllmError): string {
  return error.hint ?? errorTable[error.code].nextStep;
}
