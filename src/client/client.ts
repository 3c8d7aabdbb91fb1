import { CllmError, ProxyError, UsageError } from '../outcome/errors.ts';
import type { ChatCompletion, ChatMessage } from '../protocol/types.ts';
import { normalizeBaseUrl } from './base-url.ts';
import { checkCallOptions, checkClientOptions, checkRequest } from './check-options.ts';
import { CompletionStream, type ReplyTap, type RetryNotice } from './reply/completion-stream.ts';
import { getJson, probe, type ProbeAnswer, type Question } from './answer/question.ts';
import { Masking, withMaskedErrors } from './masking.ts';
import { promptTexts, secretValues, textsIn } from './safe-text.ts';
import { ServedPolicy } from './served-policy.ts';
import { Transport, type TransportOptions } from './http/transport.ts';
import { isJsonObject, type JsonObject, JsonText } from '../protocol/json.ts';

/** All of a client's facts; it reads no environment and no file. Times are seconds, fractions too, 0 = no limit. */
export interface ClientOptions {
  /** `http://host:port`, a path prefix if the proxy has one; `/v1` may be there or not. */
  baseUrl: string;
  /** Sent as `Authorization: Bearer`; none is sent without it. */
  apiKey?: string;
  /**
   * Asked when the proxy refuses the key (HTTP 401): another key, with which the request is sent once more, or null. What it
   * throws is the error of the request. Of several requests that are refused at once it is asked once.
   */
  renewApiKey?: (refused: string) => Promise<string | null>;
  /** How often a request is sent again before its first content. Default 2. */
  retries?: number;
  /** For name, connection and TLS. Default 10. */
  connectTimeout?: number;
  /** From the request to the first content. Default 300. */
  firstTokenTimeout?: number;
  /** Between two contents. Default 120. */
  idleTimeout?: number;
  /** For the whole reply, retries included. Default 0. */
  timeout?: number;
  /** A longer reply is cut. Default 256 MiB. */
  maxReplyBytes?: number;
  /** A longer event ends the reply. Default 16 MiB. */
  maxEventBytes?: number;
  /** Sent with every request. */
  headers?: Record<string, string>;
  /**
   * Sent in place of `headers`, from then on, once the proxy has said that it takes no tags from its clients: those without
   * the tags that nobody asked for. A request is sent again once for that.
   */
  untaggedHeaders?: Record<string, string>;
  /** Told when that happens, once. What it throws goes nowhere. */
  onTagsRefused?: () => void;
  /** PEM certificates of authorities, beside the built-in ones. */
  ca?: string | string[];
  /** PEM client certificate and its key. */
  cert?: string;
  certKey?: string;
  httpProxy?: TransportOptions['httpProxy'];
  /** A glob (`*`, `?`) that the model that answers must match; another one fails with `served_elsewhere`. */
  requireModel?: string;
  /** False asks the proxy for no fallback, and fails with `served_elsewhere` when one answers. Default true. */
  allowFallbacks?: boolean;
  /** False asks the proxy for no reply out of its cache, and fails with `served_elsewhere` when one comes. Default true. */
  allowCache?: boolean;
  /** Default `cllm`. LiteLLM makes tags of it. */
  userAgent?: string;
  /** Told what happens on the wire, line by line, without bodies or keys. What it throws goes nowhere. */
  onDebug?: (line: string) => void;
}

export interface CallOptions {
  signal?: AbortSignal;
  /** Told before a request is sent again. What it throws goes nowhere. */
  onRetry?: (retry: RetryNotice) => void;
  taps?: ReplyTap[];
  /** What LiteLLM groups calls by: a conversation, or a run. Sent as `x-litellm-session-id`, unless `headers` have one. */
  sessionId?: string;
}

/** A request in the wire's own names; a string is the one message of a user. */
export interface RequestInput {
  model: string;
  messages: ChatMessage[] | string;
  stream?: boolean;
  stream_options?: { include_usage?: boolean; [key: string]: unknown };
  [key: string]: unknown;
}

/** A model that the proxy serves. */
export interface ModelEntry {
  id: string;
  /** `chat`, `embedding`, …; absent when the proxy does not know. */
  mode?: string;
  max_input_tokens?: number;
  max_output_tokens?: number;
  owned_by?: string;
  [key: string]: unknown;
}

/** A deployment behind a model name; null in `model_info` is unknown. */
export interface ModelInfo {
  model_name: string;
  litellm_params: Record<string, unknown>;
  model_info: Record<string, unknown>;
}

/** What the proxy counts in a request, with its own tokenizer: nothing is sent to a provider. */
export interface TokenCount {
  tokens: number;
  /** The provider's name of the model whose tokenizer was looked for; null when the proxy does not say. */
  modelUsed: string | null;
  /** `openai_tokenizer`, which LiteLLM also takes for what it does not know, or `huggingface_tokenizer`. */
  tokenizerType: string | null;
}

/** A request as `stream()` sends it, with every key in its headers and its body masked. */
export interface RequestPreview {
  method: 'POST';
  url: string;
  headers: Record<string, string>;
  body: Record<string, unknown>;
}

/** What the proxy knows of a key; USD and UTC. */
export interface KeyInfo {
  key_alias?: string | null;
  key_name?: string | null;
  spend?: number | null;
  max_budget?: number | null;
  budget_reset_at?: string | null;
  team_id?: string | null;
  tpm_limit?: number | null;
  rpm_limit?: number | null;
  models?: string[];
  expires?: string | null;
  [key: string]: unknown;
}

/** Headers that are ours to set, or that would break the framing of a request. */
const reservedHeaders = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'expect',
  'te',
]);

/** Talks to one proxy. Keeps connections for reuse; `close()` ends them, and idle ones do not keep a program alive. */
export class LiteLLMClient {
  /** In its one form: no trailing slash, no `/v1`. */
  readonly baseUrl: string;
  readonly #options: ClientOptions;
  readonly #transport: Transport;
  #headers: Record<string, string>;
  /** Null when there are none, or they are in use. */
  #untaggedHeaders: Record<string, string> | null;
  readonly #keys: string[];
  readonly #masking: Masking;
  readonly #onDebug: ((line: string) => void) | undefined;
  readonly #random: () => number;
  readonly #policy: ServedPolicy;
  #apiKey: string | null;
  #renewing: Promise<void> | null = null;

  /**
   * @throws UsageError `base_url_invalid`, or `config_invalid` for an option of another type, and for a number, a key, a
   * header or a certificate that can not be used
   */
  constructor(options: ClientOptions, internals: { random?: () => number } = {}) {
    checkClientOptions(options);
    this.baseUrl = normalizeBaseUrl(options.baseUrl);
    this.#options = options;
    this.#headers = headersOf(options);
    const { untaggedHeaders: headers } = options;
    this.#untaggedHeaders = headers === undefined ? null : headersOf({ ...options, headers });
    this.#keys = secretValues(this.#headers);
    this.#apiKey = options.apiKey?.trim() || null;
    const masking = new Masking(this.#keys);
    this.#masking = masking;
    const { onDebug } = options;
    this.#onDebug = onDebug && unharmed((line: string) => onDebug(masking.text(line)));
    this.#random = internals.random ?? Math.random;
    this.#policy = new ServedPolicy(options);
    const { ca, cert, certKey, httpProxy } = options;
    this.#transport = new Transport({
      connectTimeout: options.connectTimeout ?? 10,
      ...(ca !== undefined && { ca: Array.isArray(ca) ? ca : [ca] }),
      ...(cert !== undefined && { cert }),
      ...(certKey !== undefined && { certKey }),
      ...(httpProxy !== undefined && { httpProxy }),
    });
  }

  /**
   * Asks for a reply. The request goes out when the first chunk or the result is asked for.
   *
   * Streamed (the default) the chunks come as the model makes them, usage is asked for, and the cost is in the usage.
   * With `stream: false` the proxy sends one JSON body at the end: it comes as a single chunk, the completion is that
   * body, and the cost is in a header. Verdicts, retries and the result are the same for both.
   *
   * The completion of either is what the type `ChatCompletion` says, whatever the proxy sent: content in parts is text,
   * `images`, `audio`, `reasoning_content` and `tool_calls`, arguments are a string, a figure that nobody told is null, and
   * members that the type does not name stay as they came (docs/events.md has the rule).
   *
   * @throws UsageError `input_invalid` for a request that is none, `config_invalid` for an option of another type
   */
  stream(request: RequestInput, options: CallOptions = {}): CompletionStream {
    checkRequest(request);
    checkCallOptions(options);
    const { retries, firstTokenTimeout, idleTimeout, timeout, maxReplyBytes, maxEventBytes } = this.#options;
    const onDebug = this.#onDebug;
    const messages: ChatMessage[] =
      typeof request.messages === 'string' ? [{ role: 'user', content: request.messages }] : request.messages;
    const isStreamed = request.stream !== false;
    const { tap, judge } = this.#policy.watch();
    const body = this.#bodyOf(request);
    const headersWith = (own: Readonly<Record<string, string>>): Record<string, string> =>
      requestHeaders(own, isStreamed, options.sessionId);
    return new CompletionStream({
      transport: this.#transport,
      url: this.#completionsUrl,
      headers: headersWith(this.#headers),
      untagged: () => {
        const headers = this.#withoutTags();
        return headers && headersWith(headers);
      },
      renewed: async (refused) => ((await this.#hasOtherKey(refused)) ? headersWith(this.#headers) : null),
      body: jsonOf(body),
      modelRequested: request.model,
      isUsageAsked: (body as { stream_options?: { include_usage?: unknown } }).stream_options?.include_usage === true,
      hasKey: this.#keys.length > 0,
      secrets: { keys: this.#keys, prompts: promptTexts(messages) },
      masking: this.#masking,
      limits: { firstToken: firstTokenTimeout ?? 300, idle: idleTimeout ?? 120, total: timeout ?? 0 },
      retries: retries ?? 2,
      // Last, so that the journal has the head of what is refused.
      taps: [...(options.taps ?? []), tap],
      judge,
      clock: () => performance.now(),
      random: this.#random,
      ...(maxReplyBytes !== undefined && { maxReplyBytes }),
      ...(maxEventBytes !== undefined && { maxEventBytes }),
      ...(options.signal && { signal: options.signal }),
      ...(options.onRetry && { onRetry: unharmed(options.onRetry) }),
      ...(onDebug && { onDebug }),
    });
  }

  /**
   * What `stream()` would send, as it would send it; nothing is sent. For people and logs: keys are masked.
   *
   * @throws UsageError `input_invalid` for a request that is none
   */
  preview(request: RequestInput, { sessionId }: Pick<CallOptions, 'sessionId'> = {}): RequestPreview {
    checkRequest(request);
    const headers = requestHeaders(this.#headers, request.stream !== false, sessionId);
    return {
      method: 'POST',
      url: this.#masking.text(this.#completionsUrl),
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [
          name,
          secretValues({ [name]: value }).length > 0 ? '****' : this.#masking.text(value),
        ]),
      ),
      body: this.#copyOf(this.#bodyOf(request)),
    };
  }

  /**
   * How many tokens the messages and tools of a request are, as the proxy's `/utils/token_counter` counts them by itself:
   * no provider is asked. Asked once, without retries.
   *
   * @throws CllmError when the proxy does not answer, or can not count
   */
  async countTokens(request: RequestInput, options: CallOptions = {}): Promise<TokenCount> {
    checkRequest(request);
    const { model, messages, tools } = this.#bodyOf(request) as {
      model: string;
      messages: ChatMessage[];
      tools?: unknown;
    };
    const body = { model, messages, ...(Array.isArray(tools) && tools.length > 0 && { tools }) };
    const answer = await this.#ask('/utils/token_counter', {
      ...options,
      body,
      prompts: promptTexts(messages),
      retries: 0,
    });
    const told = isJsonObject(answer) ? answer : {};
    const { total_tokens: tokens, model_used: modelUsed, tokenizer_type: tokenizerType } = told;
    if (typeof tokens !== 'number' || !Number.isSafeInteger(tokens) || tokens < 0 || told['error'] === true)
      throw new CllmError('unexpected_response', 'the answer of /utils/token_counter has no number of tokens');
    return { tokens, modelUsed: textOrNull(modelUsed), tokenizerType: textOrNull(tokenizerType) };
  }

  /** What a request says, masked; refused where `stream()` would refuse to write it. */
  #copyOf(body: RequestInput): Record<string, unknown> {
    const json = jsonOf(body);
    try {
      return this.#masking.copy(json) as Record<string, unknown>;
    } catch (cause) {
      throw requestError(cause);
    }
  }

  #bodyOf(request: RequestInput): RequestInput {
    const isStreamed = request.stream !== false;
    const { messages } = request;
    return {
      ...request,
      ...this.#policy.fields,
      messages: typeof messages === 'string' ? [{ role: 'user', content: messages }] : messages,
      stream: isStreamed,
      ...(isStreamed && { stream_options: { include_usage: true, ...request.stream_options } }),
    };
  }

  get #completionsUrl(): string {
    return `${this.baseUrl}/v1/chat/completions`;
  }

  /** Whether there is another key than the one with these headers, which was refused. */
  async #hasOtherKey(refused: Readonly<Record<string, string>>): Promise<boolean> {
    const { renewApiKey } = this.#options;
    const used = this.#apiKey;
    const isOwnHeader = Object.keys(this.#options.headers ?? {}).some((name) => name.toLowerCase() === 'authorization');
    if (renewApiKey === undefined || used === null || isOwnHeader) return false;
    if (refused['authorization'] === `Bearer ${used}`) {
      this.#renewing ??= this.#renew(renewApiKey, used).finally(() => (this.#renewing = null));
      await this.#renewing;
    }
    return refused['authorization'] !== `Bearer ${this.#apiKey}`;
  }

  async #renew(ask: (refused: string) => Promise<string | null>, refused: string): Promise<void> {
    const key = (await ask(refused))?.trim() || null;
    if (key === null || key === refused) return;
    const { authorization = '' } = headersOf({ baseUrl: this.baseUrl, apiKey: key });
    this.#keys.push(key);
    this.#masking.learn(this.#keys);
    this.#headers = { ...this.#headers, authorization };
    if (this.#untaggedHeaders !== null) this.#untaggedHeaders = { ...this.#untaggedHeaders, authorization };
    this.#apiKey = key;
  }

  /** The headers for a proxy that takes no tags from its clients; null when there were none that could be left out. */
  #withoutTags(): Record<string, string> | null {
    if (this.#options.untaggedHeaders === undefined) return null;
    if (this.#untaggedHeaders !== null) {
      this.#headers = this.#untaggedHeaders;
      this.#untaggedHeaders = null;
      const { onTagsRefused } = this.#options;
      if (onTagsRefused) unharmed((_proxy: string) => onTagsRefused())(this.baseUrl);
    }
    return this.#headers;
  }

  /**
   * The whole reply, checked as beside `stream()`: what it is does not depend on what the proxy sent.
   *
   * @throws CllmError unless the verdict is `complete` or `length`; `error.completion` has what came
   */
  async complete(request: RequestInput, options: CallOptions = {}): Promise<ChatCompletion> {
    const { completion, verdict, error } = await this.stream(request, options).result();
    if (completion !== null && (error === null || verdict === 'length')) return completion;
    throw error ?? new CllmError('internal', 'a reply ended without a completion and without an error');
  }

  /** The models that this key may use. */
  async models(options: CallOptions = {}): Promise<ModelEntry[]> {
    return listOf<ModelEntry>(await this.#get('/v1/models', options, isList), 'id');
  }

  /** What the proxy knows about each deployment: mode, context size, prices. */
  async modelInfo(options: CallOptions = {}): Promise<ModelInfo[]> {
    return listOf<ModelInfo>(await this.#get('/model/info', options, isList), 'model_name');
  }

  /** What the proxy knows about this client's key. A proxy without a database answers `server_error`. */
  async keyInfo(options: CallOptions = {}): Promise<KeyInfo> {
    const answer = await this.#get('/key/info', options, hasInfo);
    return hasInfo(answer) ? answer.info : {};
  }

  /** Whether the proxy is ready, as `/health/readiness` says; asks for no key. */
  async readiness(options: CallOptions = {}): Promise<Record<string, unknown>> {
    const answer = await this.#get('/health/readiness', options, isJsonObject);
    return isJsonObject(answer) ? answer : {};
  }

  /**
   * What the proxy's headers tell of this client's key (`x-litellm-key-spend`, `-max-budget`, `-rpm-limit`, …), for a proxy
   * whose `/key/info` has no database to look into. The request holds no messages, so no model is asked and nothing is
   * billed; it counts as one request of the key's rate limit.
   */
  async keyHeaders(options: CallOptions = {}): Promise<Record<string, string>> {
    const { status, headers, error } = await this.probe('/v1/chat/completions', { ...options, body: {} });
    // 400 is the answer that was asked for: a request without messages.
    if (error !== null && status !== 400 && headers['x-litellm-key-spend'] === undefined) throw error;
    return headers;
  }

  /**
   * The JSON that a GET of a path of the proxy answers with, as it came: of up to 64 MiB, with the errors, retries and
   * deadlines of a reply.
   *
   * @throws CllmError
   */
  async get(path: string, options: CallOptions = {}): Promise<unknown> {
    return this.#get(path, options);
  }

  /**
   * The JSON that a POST of JSON answers with, as it came: of up to 64 MiB, for what must not be done twice. It is sent
   * again only where no connection was made, and may take as long as `timeout` says.
   *
   * @param options.isRepeatable For what may be done twice, and holds no prompt: it has the retries and deadlines of `get`, and
   * errors in the proxy's own words.
   * @param options.unquoted What of the body no error may quote; default all of it.
   * @throws CllmError
   */
  async post(
    path: string,
    body: unknown,
    options: CallOptions & { isRepeatable?: boolean; unquoted?: unknown } = {},
  ): Promise<unknown> {
    checkCallOptions(options);
    const { isRepeatable = false, unquoted = body, ...others } = options;
    if (isRepeatable) return this.#ask(path, { ...others, body });
    return this.#ask(path, {
      ...others,
      body,
      prompts: textsIn(unquoted),
      firstToken: 0,
      mayRepeat: ({ code }) => code === 'connection_refused' || code === 'dns_failed',
    });
  }

  /**
   * Sends one request to a path of the proxy and gives the answer, whatever its status: for a look at the way. With a body
   * it is a POST. No retries.
   */
  async probe(path: string, options: CallOptions & { body?: unknown; timeout?: number } = {}): Promise<ProbeAnswer> {
    checkCallOptions(options);
    const { connectTimeout } = this.#options;
    const ask = (question: Question): Promise<ProbeAnswer> =>
      probe(
        options.body === undefined
          ? question
          : {
              ...question,
              method: 'POST',
              headers: { ...question.headers, 'content-type': 'application/json' },
              body: JSON.stringify(options.body),
            },
        options.timeout ?? Math.max(connectTimeout ?? 10, 10) + 10,
      );
    const asked = async (): Promise<ProbeAnswer> => {
      const question = this.#question(path, options);
      const answer = await ask(question);
      const isRenewed = isKeyRefusal(answer.error) && (await this.#hasOtherKey(question.headers));
      return isRenewed ? ask(this.#question(path, options)) : answer;
    };
    const answer = await withMaskedErrors(this.#masking, asked());
    this.#masking.error(answer.error);
    return answer;
  }

  /** Ends every connection, also those in use. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  // Async, so that options which are none are a rejection as well.
  async #get(path: string, options: CallOptions, isAnswer?: (value: unknown) => boolean): Promise<unknown> {
    // Before they are taken apart: null and a text have nothing to spread.
    checkCallOptions(options);
    return this.#ask(path, { ...options, ...(isAnswer && { isAnswer }) });
  }

  /** With a body it is a POST, and what may be quoted of the prompts in it is taken out of errors. */
  async #ask(
    path: string,
    options: CallOptions & {
      body?: unknown;
      prompts?: string[];
      retries?: number;
      firstToken?: number;
      mayRepeat?: (error: CllmError) => boolean;
      isAnswer?: (value: unknown) => boolean;
    },
  ): Promise<unknown> {
    checkCallOptions(options);
    const { retries, firstTokenTimeout, timeout } = this.#options;
    const { onRetry, body, prompts = [], mayRepeat } = options;
    const question = this.#question(path, options);
    const ask = (headers: Record<string, string>): Promise<unknown> =>
      getJson({
        ...question,
        headers,
        ...(body !== undefined && {
          method: 'POST' as const,
          headers: { ...headers, 'content-type': 'application/json' },
          body: jsonOf(body),
          secrets: { ...question.secrets, prompts },
        }),
        limits: { firstToken: options.firstToken ?? firstTokenTimeout ?? 300, idle: 0, total: timeout ?? 0 },
        retries: options.retries ?? retries ?? 2,
        ...(mayRepeat && { mayRepeat }),
        random: this.#random,
        isAnswer: options.isAnswer ?? (() => true),
        ...(onRetry && {
          onRetry: unharmed((retry: RetryNotice) => {
            this.#masking.error(retry.error);
            onRetry(retry);
          }),
        }),
      });
    const asked = async (): Promise<unknown> => {
      try {
        return await ask(question.headers);
      } catch (error) {
        if (!isKeyRefusal(error) || !(await this.#hasOtherKey(question.headers))) throw error;
        return ask(this.#question(path, options).headers);
      }
    };
    return this.#masking.answer(await withMaskedErrors(this.#masking, asked()));
  }

  #question(path: string, { signal, sessionId }: CallOptions): Question {
    const onDebug = this.#onDebug;
    return {
      transport: this.#transport,
      method: 'GET',
      url: this.baseUrl + path,
      headers: {
        ...(sessionId !== undefined && { 'x-litellm-session-id': sessionId }),
        ...this.#headers,
        accept: 'application/json',
      },
      hasKey: this.#keys.length > 0,
      secrets: { keys: this.#keys, prompts: [] },
      ...(signal && { signal }),
      ...(onDebug && { onDebug }),
    };
  }
}

/** Whether a proxy, or what stands in front of it, knows no such key. */
function isKeyRefusal(error: unknown): boolean {
  return error instanceof ProxyError && error.status === 401;
}

/** A callback that only looks on: what it throws, or rejects with, is its own trouble and not the reply's. */
function unharmed<Value>(callback: (value: Value) => unknown): (value: Value) => void {
  return (value) => {
    try {
      const result = callback(value);
      if (result instanceof Promise) result.catch(() => {});
    } catch {
      // See above.
    }
  };
}

function headersOf({ apiKey, headers = {}, userAgent = 'cllm' }: ClientOptions): Record<string, string> {
  const result: Record<string, string> = { 'user-agent': userAgent };
  if (apiKey !== undefined && apiKey.trim() !== '') result['authorization'] = `Bearer ${apiKey.trim()}`;
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || reservedHeaders.has(name.toLowerCase())) {
      throw invalid(`"${name}" can not be sent as a header`);
    }
    result[name.toLowerCase()] = value;
  }
  for (const [name, value] of Object.entries(result)) {
    // The value may be a key: it is not repeated.
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      throw invalid(
        name === 'authorization'
          ? 'the key holds a character that no header can carry'
          : `the value of the header "${name}" can not be sent`,
      );
    }
  }
  return result;
}

function requestHeaders(
  own: Readonly<Record<string, string>>,
  isStreamed: boolean,
  sessionId: string | undefined,
): Record<string, string> {
  return {
    ...(sessionId !== undefined && { 'x-litellm-session-id': sessionId }),
    ...own,
    'content-type': 'application/json',
    accept: isStreamed ? 'text/event-stream, application/json' : 'application/json',
  };
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function invalid(message: string): UsageError {
  return new UsageError(message, {
    code: 'config_invalid',
    hint: 'see `cllm login` for keys and --header for headers',
  });
}

function jsonOf(body: unknown): string {
  if (body instanceof JsonText) return body.text;
  try {
    return JSON.stringify(body);
  } catch (cause) {
    throw requestError(cause);
  }
}

/** Why a request can not be written. */
function requestError(cause: unknown): UsageError {
  // Node's words for a circle or a BigInt name members, not values.
  if (!(cause instanceof RangeError)) return new UsageError('the request is no JSON', { code: 'input_invalid', cause });
  if (/call stack/.test(cause.message))
    return new UsageError('the request is nested too deeply', { code: 'input_invalid' });
  return new UsageError('the request is larger than 512 MiB, the longest text that Node can hold', {
    code: 'input_invalid',
    hint: 'give less on standard input and with -f, or start a new conversation',
  });
}

function isList(answer: unknown): answer is { data: unknown[] } {
  return isJsonObject(answer) && Array.isArray(answer['data']);
}

function hasInfo(answer: unknown): answer is { info: JsonObject } {
  return isJsonObject(answer) && isJsonObject(answer['info']);
}

function listOf<T>(answer: unknown, name: string): T[] {
  if (!isList(answer)) return [];
  return answer.data.filter(
    (entry) => isJsonObject(entry) && typeof entry[name] === 'string' && entry[name] !== '',
  ) as T[];
}
