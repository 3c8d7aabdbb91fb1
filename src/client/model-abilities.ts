/** What a model can, and LiteLLM's names for it in `/model/info` (1.104.2). */
const members = {
  vision: 'supports_vision',
  pdf: 'supports_pdf_input',
  audio: 'supports_audio_input',
  tools: 'supports_function_calling',
  schema: 'supports_response_schema',
  reasoning: 'supports_reasoning',
  caching: 'supports_prompt_caching',
  search: 'supports_web_search',
} as const;

export type Ability = keyof typeof members;
export const abilities = Object.keys(members) as Ability[];

/**
 * Whether a model can: all of its deployments, for a request may go to any of them. Null where one of them does not say.
 *
 * @param infos the `model_info` of each of its deployments
 */
export function hasAbility(infos: readonly Record<string, unknown>[], ability: Ability): boolean | null {
  const said = infos.map((info) => info[members[ability]]);
  if (said.includes(false)) return false;
  return said.length > 0 && said.every((each) => each === true) ? true : null;
}
