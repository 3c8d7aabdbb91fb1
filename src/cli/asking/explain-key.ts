import type { ApiKey } from '../../config/api-key.ts';
import type { Settings } from '../../config/settings.ts';
import { type CllmError, ProxyError } from '../../outcome/errors.ts';
import { shellWord } from '../../protocol/shell-word.ts';

/**
 * A proxy's refusal of the key with a hint that fits where this key, or the want of one, comes from: a login changes
 * nothing while another source comes before it, and one that names no URL is for the proxy of the user's own settings.
 * Any other error comes back as it is.
 */
export function explainKey(
  refusal: CllmError,
  { origin }: Pick<ApiKey, 'origin'>,
  { baseUrl }: Pick<Settings, 'baseUrl'>,
): CllmError {
  if (!(refusal instanceof ProxyError) || (refusal.code !== 'no_key' && refusal.code !== 'key_rejected'))
    return refusal;
  // A good key, which another one in its place would not help.
  if (refusal.message.includes(' is blocked')) return refusal;
  const hint = hintOf(origin, baseUrl);
  if (hint === null) return refusal;
  const { status, type, callId, retryAfterMs, parallelLimit, cause, isRetryable, completion } = refusal;
  return new ProxyError(refusal.code, refusal.message, {
    status,
    type,
    callId,
    retryAfterMs,
    parallelLimit,
    cause,
    isRetryable,
    completion,
    hint,
  });
}

function hintOf(origin: string, { value, origin: named }: Settings['baseUrl']): string | null {
  if (origin === 'LITELLM_PROXY_API_KEY')
    return 'the key came from LITELLM_PROXY_API_KEY, which comes before a login: put a valid one there, or unset it';
  if (origin === '--api-key-file')
    return 'the key came from the file of --api-key-file, which comes before a login: put a valid one there';
  if (named.from !== 'project file' && named.from !== 'flag') return null;
  return `enter a key for this proxy with: cllm login --base-url ${shellWord(value, 'URL')}`;
}
