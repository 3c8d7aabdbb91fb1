import type { LiteLLMClient } from '../../client/client.ts';
import { type Ability, hasAbility } from '../../client/model-abilities.ts';
import { UsageError } from '../../outcome/errors.ts';
import { isJsonObject } from '../../protocol/json.ts';
import type { ChatMessage } from '../../protocol/types.ts';
import { modelInfoOf } from './model-info.ts';

const needs: Readonly<Record<string, readonly [ability: Ability, what: string]>> = {
  file: ['pdf', 'a PDF'],
  input_audio: ['audio', 'a recording'],
};

/**
 * Makes sure that models take what goes with a prompt, as far as the proxy tells. Asks it only for a PDF or a recording:
 * images are taken nearly everywhere, and text by all.
 *
 * @throws UsageError `input_invalid` for a model that is known not to take it
 */
export async function assertModelsTake(
  message: Pick<ChatMessage, 'content'>,
  models: readonly string[],
  client: LiteLLMClient,
  signal: AbortSignal,
): Promise<void> {
  const { content } = message;
  if (!Array.isArray(content)) return;
  const wanted = new Map(
    content.flatMap((part) => {
      const type = isJsonObject(part) ? part['type'] : null;
      const need = typeof type === 'string' && Object.hasOwn(needs, type) ? needs[type] : undefined;
      return need === undefined ? [] : [need];
    }),
  );
  if (wanted.size === 0) return;
  const deployments = await modelInfoOf(client, signal).catch(() => []);
  signal.throwIfAborted();
  for (const model of models) {
    const infos = deployments
      .filter(({ model_name: name }) => name === model)
      .map(({ model_info: info }) => info ?? {});
    for (const [ability, what] of wanted) {
      if (hasAbility(infos, ability) === false) {
        throw new UsageError(`${model} does not take ${what}`, {
          code: 'input_invalid',
          hint: `cllm models --can ${ability} shows which do`,
        });
      }
    }
  }
}
