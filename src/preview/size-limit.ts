import type { LiteLLMClient, RequestInput } from '../client/client.ts';
import { UsageError } from '../outcome/errors.ts';
import { countInput, type InputCount, mostTokens } from './input-count.ts';
import type { ModelFacts } from './model-facts.ts';

/** How long a request may be, and who said so. */
export interface SizeLimit {
  tokens: number;
  /** The flag or the setting, as people call it. */
  name: string;
  hint: string;
}

export interface SizeCheck {
  client: Pick<LiteLLMClient, 'countTokens'>;
  signal: AbortSignal;
  /** Asked for only where the proxy has to count. */
  facts: (model: string) => Promise<ModelFacts | null>;
  /** Told why a figure is a guess. */
  onGuess: (text: string) => void;
}

/**
 * Why a request is too long; null when it is not. A text of fewer bytes than the limit has tokens fits without anybody
 * being asked.
 *
 * @throws CllmError when nobody could count
 */
export async function sizeRefusal(
  request: RequestInput,
  limit: SizeLimit,
  { client, signal, facts, onGuess }: SizeCheck,
): Promise<UsageError | null> {
  const most = mostTokens(request);
  if (most !== null && most <= limit.tokens) return null;
  const count = await countInput(client, request, { facts: await facts(request.model), signal });
  if (count.error !== null) throw count.error;
  const refused = refusalOf(count, limit);
  if (refused === null && count.isGuess)
    onGuess(`the ~${count.tokens} tokens that ${limit.name} allows are a guess: ${count.why}`);
  return refused;
}

export function refusalOf(count: InputCount, limit: SizeLimit): UsageError | null {
  if (count.tokens === null || count.tokens <= limit.tokens) return null;
  const why = count.why === null ? '' : `: ${count.why}`;
  const figure = `${count.isGuess ? '~' : ''}${count.tokens}`;
  return new UsageError(`the input has ${figure} tokens, more than ${limit.name} ${limit.tokens}${why}`, {
    code: 'input_too_large',
    hint: limit.hint,
  });
}
