import type { ChatCompletion } from '../protocol/types.ts';

/**
 * Every code that an error of cllm can carry. Match on `error.code`, not on `instanceof` or on the message: codes are
 * stable, and two copies of the package may be loaded at once. `error-table.ts` says which exit code each one gives
 * and what to do about it.
 */
export const errorCodes = [
  // What was asked for makes no sense.
  'usage',
  'config_invalid',
  'input_invalid',
  'stdin_timeout',
  'base_url_invalid',
  'project_untrusted',
  'template_unknown',
  'template_invalid',
  'template_untrusted',
  'no_model',
  'input_too_large',
  'schema_invalid',
  // The key.
  'no_key',
  'key_rejected',
  'model_not_allowed',
  // The way to the proxy.
  'dns_failed',
  'connection_refused',
  'connection_failed',
  'tls_failed',
  'http_proxy_failed',
  'redirect_refused',
  'server_error',
  // What the proxy, or the provider behind it, refused.
  'rate_limited',
  'budget_exceeded',
  'cost_cap',
  'model_not_found',
  'provider_auth',
  'context_window_exceeded',
  'content_policy',
  'guardrail_blocked',
  'bad_request',
  'not_found',
  'unexpected_response',
  'served_elsewhere',
  // How a stream ended, one for each verdict but `complete`.
  'stream_cut',
  'stream_error',
  'event_too_large',
  'reply_empty',
  'reply_filtered',
  'reply_short',
  'interrupted',
  'connect_timeout',
  'first_token_timeout',
  'idle_timeout',
  'total_timeout',
  // What came after the reply.
  'schema_mismatch',
  'nothing_to_extract',
  'history_unsaved',
  'output_failed',
  'batch_partial',
  'apply_partial',
  // A batch over many machines.
  'queue_unavailable',
  'queue_failed',
  'no_worker',
  'worker_lost',
  // Tools that a model calls.
  'tool_unapproved',
  'too_many_steps',
  // A command of a template, or of --exec.
  'context_failed',
  // The MCP servers of the proxy.
  'mcp_unknown',
  'mcp_not_allowed',
  'mcp_unavailable',
  'tool_failed',
  // The history, asked for by itself.
  'history_unusable',
  'history_newer',
  'not_in_history',
  // A proxy on this machine.
  'local_proxy_unavailable',
  'local_proxy_failed',
  'internal',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** A guardrail of the proxy, as it names itself. */
export interface Guardrail {
  /** Null where only its pipeline said that it was one. */
  name: string | null;
  /** LiteLLM's `pre_call`, `during_call`, `post_call`, …; null when it was not told. */
  mode: string | null;
}

export interface CllmErrorOptions {
  /** The original error. Never holds a key, a prompt or a reply. */
  cause?: unknown;
  /** The next command or setting to try: begins small, without a full stop. */
  hint?: string | undefined;
  /** Whether the same request may succeed when sent again. Default false. */
  isRetryable?: boolean;
  /** What had arrived, folded, when the error ended a reply. */
  completion?: ChatCompletion | null;
  /** The rule of the proxy that refused the prompt or the reply. */
  guardrail?: Guardrail | null | undefined;
}

/**
 * The one family of errors that cllm throws: a mistake of the caller, a failure on the way, a refusal of the proxy or a
 * reply that did not end well. Anything else that escapes is a bug in cllm. A message says what failed and with which
 * value (`what: METHOD url` for a request); the hint says what to do next. Neither holds a key, a prompt or a reply.
 */
export class CllmError extends Error {
  override readonly name: string = 'CllmError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly isRetryable: boolean;
  /** What had arrived, folded, when the error ended a reply; else null. */
  completion: ChatCompletion | null;
  /** The rule of the proxy that refused the prompt or ended the reply; null when none did, or none is named. */
  readonly guardrail: Guardrail | null;

  constructor(code: ErrorCode, message: string, options: CllmErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.isRetryable = options.isRetryable ?? false;
    this.completion = options.completion ?? null;
    this.guardrail = options.guardrail ?? null;
  }
}

/** A bad flag, setting or input: exit code 2. */
export class UsageError extends CllmError {
  override readonly name = 'UsageError';

  constructor(
    message: string,
    options: CllmErrorOptions & {
      code?:
        | 'usage'
        | 'config_invalid'
        | 'input_invalid'
        | 'stdin_timeout'
        | 'base_url_invalid'
        | 'project_untrusted'
        | 'template_unknown'
        | 'template_invalid'
        | 'template_untrusted'
        | 'no_model'
        | 'input_too_large'
        | 'schema_invalid'
        | 'mcp_unknown';
    } = {},
  ) {
    super(options.code ?? 'usage', message, options);
  }
}

/**
 * An HTTP answer of the proxy, or of something in front of it, that is no reply; or the same error as the first thing that a
 * stream says, when the head is out already.
 */
export class ProxyError extends CllmError {
  override readonly name = 'ProxyError';
  /** HTTP status, or the one that the error in the stream names. It never becomes an exit code by arithmetic. */
  readonly status: number;
  /** LiteLLM's `error.type`, e.g. `budget_exceeded`; null when the body had none. */
  readonly type: string | null;
  /** `x-litellm-call-id`: what an admin needs to find the call; null when the answer had none. */
  readonly callId: string | null;
  /** Milliseconds that the answer asked to wait before another try (`retry-after-ms`, `retry-after`); null when it did not. */
  readonly retryAfterMs: number | null;
  /** How many requests the key, user or team may have at a time, where that many were under way; null for all else. */
  readonly parallelLimit: number | null;

  constructor(
    code: ErrorCode,
    message: string,
    options: CllmErrorOptions & {
      status: number;
      type?: string | null;
      callId?: string | null;
      retryAfterMs?: number | null;
      parallelLimit?: number | null;
    },
  ) {
    super(code, message, options);
    this.status = options.status;
    this.type = options.type ?? null;
    this.callId = options.callId ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.parallelLimit = options.parallelLimit ?? null;
  }
}

/** The names of the four deadlines, as the flags write them. */
export type Deadline = 'connect' | 'first-token' | 'idle' | 'total';

/** One of cllm's own deadlines fired: exit code 124. */
export class DeadlineError extends CllmError {
  override readonly name = 'DeadlineError';
  readonly deadline: Deadline;

  constructor(deadline: Deadline, message: string, options: CllmErrorOptions = {}) {
    const codes = {
      connect: 'connect_timeout',
      'first-token': 'first_token_timeout',
      idle: 'idle_timeout',
      total: 'total_timeout',
    } as const;
    super(codes[deadline], message, options);
    this.deadline = deadline;
  }
}

/** A signal, `abort()` or a `break` stopped the reply. */
export class InterruptedError extends CllmError {
  override readonly name = 'InterruptedError';
  /** The signal's name, or null when the program itself stopped (`abort()`, `break`, a closed pipe). */
  readonly signal: 'SIGHUP' | 'SIGINT' | 'SIGTERM' | null;

  constructor(
    signal: 'SIGHUP' | 'SIGINT' | 'SIGTERM' | null = null,
    message = 'interrupted before the reply was complete',
    options: CllmErrorOptions = {},
  ) {
    super('interrupted', message, options);
    this.signal = signal;
  }
}
