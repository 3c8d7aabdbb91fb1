import { UsageError } from '../outcome/errors.ts';
import { isCi } from './ci.ts';
import { maskKey, readKey, type Credentials } from './credentials.ts';
import type { Environment } from './paths.ts';
import { describeOrigin, type Settings } from './settings.ts';
import { shellWord } from '../protocol/shell-word.ts';

/** The key for this run, and why it is that one. */
export interface ApiKey {
  /** Null when there is none for this base URL. */
  key: string | null;
  /** As `explain` shows it; null when there is no key. */
  maskedKey: string | null;
  /** `--api-key-file`, `LITELLM_PROXY_API_KEY`, or the login for the base URL; `none`. */
  origin: string;
  /** A sentence for people when a key is at hand that must not go to this base URL; else null. */
  withheld: string | null;
}

/**
 * Which key goes to `settings.baseUrl`. A key entered with `cllm login` goes only to the base URL it was entered for. A
 * key without such a bond (`--api-key-file`, `LITELLM_PROXY_API_KEY`) goes where it would go if there were no project
 * file: a `cllm.yaml` comes with a repository, and somebody else may have written the base URL in it.
 *
 * In a CI job a key without a base URL goes nowhere: whoever listens on the default address there, a service container or
 * another job of the same runner, would be sent it.
 *
 * @throws UsageError `input_invalid` (a key that is none), `config_invalid` (broken file of keys; in a CI job a key without
 * a base URL)
 */
export function resolveApiKey(sources: {
  settings: Pick<Settings, 'baseUrl' | 'ownBaseUrl'>;
  credentials: Credentials;
  env: Environment;
  /** What the file of `--api-key-file` holds. */
  keyFile?: { name: string; text: string } | null;
}): ApiKey {
  const { baseUrl, ownBaseUrl } = sources.settings;
  const unbound = unboundKey(sources);
  const isOwn = baseUrl.value === ownBaseUrl;
  if (unbound !== null && isOwn) {
    if (baseUrl.origin.from === 'default' && isCi(sources.env)) {
      throw new UsageError(`a CI job with a key of ${unbound.origin} has to say which proxy the key is for`, {
        code: 'config_invalid',
        hint: `set LITELLM_PROXY_URL, for a service container too: LITELLM_PROXY_URL=${baseUrl.value}`,
      });
    }
    return found(unbound.key, unbound.origin);
  }
  const kept = sources.credentials.get(baseUrl.value);
  if (kept !== null) return found(kept, `login for ${baseUrl.value}`);
  return {
    key: null,
    maskedKey: null,
    origin: 'none',
    withheld:
      unbound === null
        ? null
        : `the key of ${unbound.origin} was not sent: the base URL ${baseUrl.value} comes from ` +
          `${describeOrigin(baseUrl.origin)}; run \`cllm login --base-url ${shellWord(baseUrl.value, 'URL')}\` to give that proxy a key, ` +
          `or name it with --base-url or LITELLM_PROXY_URL`,
  };
}

function unboundKey({
  env,
  keyFile = null,
}: Pick<Parameters<typeof resolveApiKey>[0], 'env' | 'keyFile'>): { key: string; origin: string } | null {
  if (keyFile !== null) {
    return { key: readKey(keyFile.text, `--api-key-file ${keyFile.name}`), origin: '--api-key-file' };
  }
  // Set but empty is how a CI job passes a secret that it was not given.
  const fromEnvironment = env['LITELLM_PROXY_API_KEY'];
  if (!fromEnvironment) return null;
  return { key: readKey(fromEnvironment, 'LITELLM_PROXY_API_KEY'), origin: 'LITELLM_PROXY_API_KEY' };
}

function found(key: string, origin: string): ApiKey {
  return { key, maskedKey: maskKey(key), origin, withheld: null };
}
