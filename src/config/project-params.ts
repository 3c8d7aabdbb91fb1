import { steeringReason, squashed } from '../protocol/request-fields.ts';

const openai = "OpenAI's reference of chat completions";
const providers = 'what LiteLLM hands on to the providers that know it';

/**
 * The `params` that a project file may set: how a model answers, and nothing else. Everything that is not named here
 * (which tools it has, whom the call is booked on, what is stored where, all that steers the proxy) is the user's own to
 * say, with a flag or in their own settings. Each with the source of what it means.
 */
export const projectParams: Readonly<Record<string, string>> = {
  temperature: openai,
  top_p: openai,
  max_tokens: openai,
  max_completion_tokens: openai,
  n: openai,
  seed: openai,
  stop: openai,
  presence_penalty: openai,
  frequency_penalty: openai,
  logit_bias: openai,
  logprobs: openai,
  top_logprobs: openai,
  response_format: openai,
  reasoning_effort: openai,
  verbosity: openai,
  parallel_tool_calls: openai,
  thinking: "Anthropic's reference of messages; LiteLLM takes it for every provider",
  top_k: providers,
  min_p: providers,
  repetition_penalty: providers,
};

/** Of these the lower one counts where the user's own settings have one too: a project file may only tighten a limit. */
export const limitParams: readonly string[] = ['max_tokens', 'max_completion_tokens'];

/** Why a project file may not set a param; null when it may. */
export function projectParamReason(name: string): string | null {
  if (Object.hasOwn(projectParams, name)) return null;
  const steering = steeringReason(name);
  if (steering !== null) return steering;
  const meant = Object.keys(projectParams).find((known) => squashed(known) === squashed(name));
  return meant === undefined ? 'it may say how a model answers, and no more' : `write it as ${meant}`;
}
