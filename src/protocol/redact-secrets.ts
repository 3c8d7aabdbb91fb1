/** A known shape of a secret, and what stands in its place. */
export interface SecretShape {
  kind: 'key' | 'token' | 'password in a URL' | 'hash';
  pattern: RegExp;
  replacement: string;
}

/** LiteLLM's keys and the common providers', tokens, what stands before the host of a URL, the key hashes that LiteLLM prints. */
export const secretShapes: readonly SecretShape[] = [
  { kind: 'token', pattern: /\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi, replacement: '$1 ****' },
  { kind: 'key', pattern: /\b(sk|pk|rk|xai|nvapi|pplx)-[\w-]{6,}/gi, replacement: '$1-****' },
  { kind: 'key', pattern: /\bAIza[\w-]{20,}/g, replacement: 'AIza****' },
  { kind: 'key', pattern: /\b(AKIA|ASIA)[0-9A-Z]{16}\b/g, replacement: '$1****' },
  { kind: 'token', pattern: /\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, replacement: 'eyJ****' },
  {
    kind: 'token',
    pattern: /\b(gh[opsu]|ghr|github_pat|xox[abprs]|hf|gsk|glpat)[_-][\w-]{16,}/g,
    replacement: '$1_****',
  },
  { kind: 'password in a URL', pattern: /:\/\/[^/\s@"]+@/g, replacement: '://****@' },
  // The digest of a file says what it is.
  { kind: 'hash', pattern: /(?<!\bsha256:)\b[0-9a-f]{64}\b/g, replacement: '****' },
];

/**
 * Takes keys out of a text: LiteLLM's and the common providers' (`sk-…`, `AIza…`), anything behind `Bearer`, tokens, what
 * stands before the host of a URL, and the key hashes that LiteLLM prints. Its own masked form (`sk-...1234`) stays, for
 * it says which key was meant.
 */
export function redactSecrets(text: string): string {
  return secretShapes.reduce((safe, { pattern, replacement }) => safe.replaceAll(pattern, replacement), text);
}

/** The password in a URL, as it stands there and as it is meant; a text that is no URL is a secret as a whole. */
export function passwordsIn(url: string): string[] {
  try {
    const { password } = new URL(url.trim());
    return password === '' ? [] : [password, decodeURIComponent(password)];
  } catch {
    return [url.trim()];
  }
}

/** Masks keys that are known, wherever and however they stand: in small letters where a URL has made a host of one. */
export class KeyMask {
  readonly #patterns: readonly RegExp[];

  constructor(keys: Iterable<string>) {
    const forms = [...new Set(keys)].flatMap((key) => [key, encodedKey(key), JSON.stringify(key).slice(1, -1)]);
    // The longest first: masking one that another begins with would leave the rest of that one.
    this.#patterns = [...new Set(forms)]
      .toSorted((one, other) => other.length - one.length)
      .map((form) => new RegExp(form.replaceAll(/[^\w]/g, String.raw`\$&`), 'gi'));
  }

  mask(text: string): string {
    return this.#patterns.reduce((safe, pattern) => safe.replaceAll(pattern, '****'), text);
  }
}

/** As a URL holds it; what can not stand in one is left as it is. */
function encodedKey(key: string): string {
  try {
    return encodeURIComponent(key);
  } catch {
    return key;
  }
}

/** How deep the causes of an error are looked through. */
const deepestCause = 8;

/**
 * The same error, its texts passed through `mask`: message, hint, stack and whatever else it carries, its causes as well.
 * It is changed in place, so that its class and its code stay.
 */
export function maskError<Thrown>(thrown: Thrown, mask: (text: string) => string, depth = 0): Thrown {
  if (typeof thrown !== 'object' || thrown === null || depth > deepestCause) return thrown;
  const members = thrown as Record<string, unknown>;
  for (const name of Object.getOwnPropertyNames(thrown)) {
    const value = members[name];
    if (value instanceof Error || name === 'cause') maskError(value, mask, depth + 1);
    else if (name === 'errors' && Array.isArray(value)) for (const each of value) maskError(each, mask, depth + 1);
    if (typeof value !== 'string') continue;
    const safe = mask(value);
    if (safe !== value) Reflect.set(members, name, safe);
  }
  return thrown;
}
