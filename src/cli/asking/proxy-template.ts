import type { LiteLLMClient } from '../../client/client.ts';
import { nearestName } from '../../config/nearest-name.ts';
import { CllmError, ProxyError, UsageError } from '../../outcome/errors.ts';
import { isJsonObject } from '../../protocol/json.ts';
import { proxyPrefix } from '../../templates/find-template.ts';
import { readProxyPrompt } from '../../templates/proxy-prompt.ts';
import type { OpenedTemplate } from './template.ts';

/**
 * A prompt of the proxy. LiteLLM itself ignores an id that it does not know, and a variable without a value, in silence: so
 * the prompt is fetched, and rendered here.
 *
 * @throws UsageError `template_unknown`, `template_invalid`; CllmError for what else the proxy answers
 */
export async function openProxyPrompt(named: string, client: Pick<LiteLLMClient, 'get'>): Promise<OpenedTemplate> {
  const id = named.slice(proxyPrefix.length);
  if (!/^[^/\p{Cc}]{1,200}$/u.test(id)) {
    throw new UsageError(`-t ${named} names no prompt of the proxy`, { hint: 'for example -t proxy:review' });
  }
  let answer: unknown;
  try {
    answer = await client.get(`/prompts/${encodeURIComponent(id)}/info`);
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    if (error.status === 403) {
      throw new CllmError(error.code, `the proxy shows its prompts to the keys of admins alone: ${error.message}`, {
        hint: 'ask for a key of a proxy_admin or proxy_admin_viewer, or keep the prompt in a file: cllm templates new NAME',
        cause: error,
      });
    }
    if (error.status !== 400 && error.status !== 404) throw error;
    throw await unknown(id, client, error);
  }
  return { name: named, file: named, root: null, hidden: null, ...readProxyPrompt(answer, named) };
}

async function unknown(id: string, client: Pick<LiteLLMClient, 'get'>, cause: ProxyError): Promise<UsageError> {
  const names = await promptNames(client);
  const nearest = nearestName(id, names);
  return new UsageError(`the proxy has no prompt ${JSON.stringify(id)}`, {
    code: 'template_unknown',
    cause,
    hint:
      nearest !== null
        ? `did you mean -t ${proxyPrefix}${nearest}?`
        : names.length > 0
          ? `name one that it has: ${names.slice(0, 20).join(', ')}`
          : 'ask who runs the proxy, or keep the prompt in a file: cllm templates new NAME',
  });
}

/** For a hint: that they can not be told is no error of its own. */
async function promptNames(client: Pick<LiteLLMClient, 'get'>): Promise<string[]> {
  try {
    const answer = await client.get('/prompts/list');
    const list = isJsonObject(answer) && Array.isArray(answer['prompts']) ? (answer['prompts'] as unknown[]) : [];
    return list
      .map((each) => (isJsonObject(each) ? each['prompt_id'] : null))
      .filter((name): name is string => typeof name === 'string' && /^[\w.-]{1,64}$/.test(name));
  } catch (error) {
    if (error instanceof CllmError) return [];
    throw error;
  }
}
