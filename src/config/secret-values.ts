import type { Json } from '../protocol/types.ts';

/** Names of members that hold a secret. `max_tokens` is none: its value is a number. */
const secretName = /key|token|secret|password|passphrase|authorization|credential|cookie/i;

/** A value as it may be shown: what stands under the name of a secret is masked, however deep. */
export function withoutSecretValues(name: string, value: Json): Json {
  if (typeof value === 'string') return value !== '' && secretName.test(lastOf(name)) ? '****' : value;
  if (Array.isArray(value)) return value.map((each) => withoutSecretValues(name, each));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([inner, each]) => [inner, withoutSecretValues(inner, each)]));
}

function lastOf(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}
