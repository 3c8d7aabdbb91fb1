import type { LiteLLMClient, ModelInfo } from '../../client/client.ts';

/** What the proxy tells of its models must not hold a run up for long. */
const patienceMs = 10_000;

const asked = new WeakMap<object, Promise<ModelInfo[]>>();

/**
 * What the proxy tells of its models, asked for once in a run, whoever wants it first: it is megabytes with a large proxy.
 *
 * @throws CllmError when it does not tell
 */
export function modelInfoOf(client: Pick<LiteLLMClient, 'modelInfo'>, signal: AbortSignal): Promise<ModelInfo[]> {
  const known = asked.get(client);
  if (known !== undefined) return known;
  const answer = client.modelInfo({ signal: AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]) });
  asked.set(client, answer);
  answer.catch(() => {
    // One turn of a chat was stopped, and not the chat.
    if (signal.aborted) asked.delete(client);
  });
  return answer;
}
