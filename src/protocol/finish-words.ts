/** What a finish_reason says of a choice, from the best to the worst. */
export type FinishMeaning = 'unfinished' | 'complete' | 'length' | 'content_filter' | 'error';

/**
 * The finish words of all servers, lower case: LiteLLM maps most of them before its wire, other proxies pass them on, in
 * any case. A word that is not here is an `error`, whatever LiteLLM makes of it: it turns `error`, `network_error`,
 * `MALFORMED_FUNCTION_CALL` and every word that it does not know into `stop`.
 *
 * Sources, by the names that their references give to the field: OpenAI chat completions (`finish_reason`) and Responses
 * (`status`, `incomplete_details.reason`), Anthropic messages and Bedrock Converse (`stop_reason`), Amazon Titan
 * (`completionReason`), Google Gemini (`FinishReason`), Cohere v1 and v2, Mistral, Hugging Face text-generation-inference
 * (`FinishReason`), vLLM, llama.cpp (`stop_type`), Ollama (`done_reason`), IBM watsonx (`stop_reason`), AI21 Jurassic,
 * Zhipu, DeepSeek, Together, and LiteLLM 1.104's own table (`_FINISH_REASON_MAP`).
 */
const words: Record<Exclude<FinishMeaning, 'error'>, readonly string[]> = {
  // Gemini's and watsonx's words for "still going on", and what a null becomes where JSON is written by hand.
  unfinished: ['null', 'none', 'finish_reason_unspecified', 'unspecified', 'not_finished', 'in_progress'],
  complete: [
    'stop', // OpenAI, Gemini, Mistral, vLLM, Ollama
    'tool_calls', // OpenAI, Mistral
    'function_call', // OpenAI's older form
    'end_turn', // Anthropic, Bedrock
    'stop_sequence', // Anthropic, Bedrock, Cohere, TGI, watsonx
    'tool_use', // Anthropic, Bedrock
    'tool_call', // Cohere
    'complete', // Cohere
    'completed', // OpenAI Responses
    'eos', // Together, llama.cpp
    'eos_token', // TGI, watsonx
    'word', // llama.cpp: a stop word
    'endoftext', // AI21
    'finish', // Titan
    'finished',
    'done',
  ],
  length: [
    'length', // OpenAI, TGI, Mistral, vLLM, Ollama, Titan, AI21
    'max_tokens', // Anthropic, Bedrock, Gemini, Cohere, watsonx
    'max_output_tokens', // OpenAI Responses
    'max_completion_tokens',
    'max_length',
    'model_length', // Mistral
    'model_context_window_exceeded', // Anthropic, Bedrock, Zhipu
    'context_length_exceeded',
    'error_limit', // Cohere
    'token_limit', // watsonx
    'limit', // llama.cpp
    'compaction', // Anthropic
  ],
  content_filter: [
    'content_filter', // OpenAI, and Responses
    'content_filtered', // Bedrock, Titan
    'guardrail_intervened', // Bedrock
    'refusal', // Anthropic
    'sensitive', // Zhipu
    'error_toxic', // Cohere
    // Gemini
    'safety',
    'recitation',
    'language',
    'other',
    'blocklist',
    'prohibited_content',
    'spii',
    'model_armor',
    'image_safety',
    'image_prohibited_content',
    'image_recitation',
    'image_other',
    'no_image',
    'escalation',
  ],
};

/** From the best to the worst: of several words in one reply the worst counts. */
const order: readonly FinishMeaning[] = ['unfinished', 'complete', 'length', 'content_filter', 'error'];

const meanings = new Map<string, FinishMeaning>(
  order.flatMap((meaning) => (meaning === 'error' ? [] : words[meaning]).map((word) => [word, meaning] as const)),
);

/** Words that say that the reply is a call, or ends in one. */
const callWords: ReadonlySet<string> = new Set(['tool_calls', 'tool_call', 'tool_use', 'function_call']);

/** What a finish_reason means, in any case: `STOP`, `stop`, `FinishReason.STOP` and `FINISH_REASON_STOP` are one word. */
export function meaningOf(finishReason: string): FinishMeaning {
  return meanings.get(plain(finishReason)) ?? meanings.get(bare(finishReason)) ?? 'error';
}

/** Whether a finish_reason says that there are calls to act on. */
export function endsInCalls(finishReason: string): boolean {
  return callWords.has(bare(finishReason));
}

/** The finish_reason that stays when another one comes: the worse one, or the later one of two that are as bad. */
export function worse(before: string | null, after: string): string {
  if (before === null) return after;
  return order.indexOf(meaningOf(after)) >= order.indexOf(meaningOf(before)) ? after : before;
}

function plain(word: string): string {
  return word.toLowerCase();
}

/** Without what some libraries write before the word: the name of their enumeration. */
function bare(word: string): string {
  return plain(word).replace(/^(finish_?reason|stop_?reason)[._]/, '');
}
