import type { LiteLLMClient, RequestInput } from '../client/client.ts';
import { CllmError } from '../outcome/errors.ts';
import { isJsonObject } from '../protocol/json.ts';
import type { ModelFacts } from './model-facts.ts';

/** How many tokens go in, as far as anybody can say before they are sent. */
export interface InputCount {
  /** Null when nobody could be asked. */
  tokens: number | null;
  /** Counted with another tokenizer than the model's, or not counted. */
  isGuess: boolean;
  /** Why it is a guess, or unknown. */
  why: string | null;
  /** What kept anybody from being asked, where `tokens` is null. */
  error: CllmError | null;
}

/** Of English and of code; other scripts take more. */
const bytesPerToken = 4;

/** LiteLLM 1.104.2 samples a longer text (`TOKEN_COUNTER_MAX_EXACT_CHARS`). */
const mostExactCharacters = 4_000_000;

/** The proxy is asked about a figure, and not for a reply: it must not hold a run up for long. */
const patience = 30_000;

/**
 * Asks the proxy how many tokens a request is. Where it does not count, as an old one, or with a key that may not ask, the
 * figure is estimated from the bytes; where nobody answers there is none.
 *
 * @throws CllmError only when `signal` says so
 */
export async function countInput(
  client: Pick<LiteLLMClient, 'countTokens'>,
  request: RequestInput,
  { facts, signal }: { facts: ModelFacts | null; signal: AbortSignal },
): Promise<InputCount> {
  try {
    const { tokens, modelUsed, tokenizerType } = await client.countTokens(request, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]),
    });
    const why = guessReason(request, { modelUsed, tokenizerType, facts });
    return { tokens, isGuess: why !== null, why, error: null };
  } catch (error) {
    if (signal.aborted || !(error instanceof CllmError)) throw error;
    if (isNobodyThere(error))
      return { tokens: null, isGuess: false, why: `the proxy could not be asked: ${error.message}`, error };
    return {
      tokens: estimatedTokens(request),
      isGuess: true,
      why: `the proxy does not count (${error.message}), so it is the bytes of the texts divided by ${bytesPerToken}`,
      error: null,
    };
  }
}

/** What one request is at most, for one that is nothing but text: a token has a byte or more. Null for any other. */
export function mostTokens(request: Pick<RequestInput, 'messages'> & { tools?: unknown }): number | null {
  const { messages, tools = [] } = request;
  if (typeof messages !== 'string' && !messages.every(({ content }) => typeof content === 'string' || content === null))
    return null;
  return Buffer.byteLength(JSON.stringify({ messages, tools }));
}

/** The bytes of what a model reads, for a rough figure: of files in it nobody can tell. */
export function textBytes(request: Pick<RequestInput, 'messages'> & { tools?: unknown }): number {
  const { messages, tools } = request;
  if (typeof messages === 'string') return Buffer.byteLength(messages);
  const texts = messages.map(({ content }) => textOf(content));
  const rest = Array.isArray(tools) && tools.length > 0 ? JSON.stringify(tools) : '';
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), Buffer.byteLength(rest));
}

function estimatedTokens(request: Pick<RequestInput, 'messages'> & { tools?: unknown }): number {
  const turns = typeof request.messages === 'string' ? 1 : request.messages.length;
  return Math.ceil(textBytes(request) / bytesPerToken) + 4 * turns;
}

function guessReason(
  request: RequestInput,
  {
    modelUsed,
    tokenizerType,
    facts,
  }: { modelUsed: string | null; tokenizerType: string | null; facts: ModelFacts | null },
): string | null {
  // LiteLLM 1.104.2 has Anthropic's tokenizer of 2023, which later models do not use.
  if (tokenizerType === 'huggingface_tokenizer' && /claude-(?!2|instant|v1)/.test(modelUsed ?? ''))
    return `the proxy counts ${modelUsed} with a tokenizer of older models`;
  if (tokenizerType !== 'huggingface_tokenizer' && !isOpenai(modelUsed, facts))
    return `the proxy has no tokenizer of ${modelUsed ?? request.model}, and counts with one of OpenAI's`;
  if (typeof request['response_format'] === 'object')
    return 'the schema of the reply, which is sent too, is not counted';
  const { messages } = request;
  const texts = typeof messages === 'string' ? [messages] : messages.map(({ content }) => textOf(content));
  if (texts.some((text) => text.length > mostExactCharacters)) return 'the proxy counts a sample of a long text';
  return null;
}

function isOpenai(modelUsed: string | null, facts: ModelFacts | null): boolean {
  if (modelUsed === null || !/^(?:openai\/|azure\/)?(gpt-|o\d|chatgpt-|ft:gpt-|codex-)/.test(modelUsed)) return false;
  // A name alone says little: anybody may serve a gpt-oss.
  if (modelUsed.includes('gpt-oss')) return false;
  return (
    facts === null || facts.providers.every((provider) => /^(openai|azure|text-completion-openai)$/.test(provider))
  );
}

function isNobodyThere({ code }: CllmError): boolean {
  return /^(dns_failed|connection_|tls_failed|http_proxy_failed|redirect_refused|interrupted)|_timeout$/.test(code);
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part) => (isJsonObject(part) && typeof part['text'] === 'string' ? part['text'] : '')).join('');
}
