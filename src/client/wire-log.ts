import { safeTexts, type Secrets } from './safe-text.ts';

/** What a recording and a `--debug` line may hold of an answer's headers: what explains a reply, and nothing that opens a door. */
const shown = new Set([
  'content-type',
  'content-length',
  'content-encoding',
  'transfer-encoding',
  'connection',
  'cache-control',
  'date',
  'server',
  'via',
  'retry-after',
  'retry-after-ms',
  'x-accel-buffering',
  'x-request-id',
  'rate_limit_type',
  'reset_at',
  'llm_provider-retry-after',
  'llm_provider-retry-after-ms',
]);

/** Bodies of errors in a header, which would get past the cleaning. */
const hidden = new Set(['x-litellm-fallback-errors', 'x-litellm-cache-key']);

/** Of our own request's. The key's header is named without its value. */
const sent = new Set(['accept', 'content-type', 'user-agent']);

/** The allow-listed headers of an answer, with anything like a key taken out of their values. */
export function shownHeaders(headers: Readonly<Record<string, string>>, secrets: Secrets): Record<string, string> {
  const listed = Object.entries(headers).filter(([name]) => {
    const isOurs = name.startsWith('x-litellm-') || name.startsWith('x-ratelimit-');
    return shown.has(name) || (isOurs && !hidden.has(name));
  });
  const values = safeTexts(
    listed.map(([, value]) => withoutUserinfo(value)),
    secrets,
  );
  return Object.fromEntries(
    listed.map(([name, value], at) => [name, isDeployment(name, value) ? value : (values[at] ?? '')]),
  );
}

/** A deployment's id is a hash that looks like the hash of a key, which error texts quote and nobody should see. */
function isDeployment(name: string, value: string): boolean {
  return name === 'x-litellm-model-id' && /^[0-9a-f]{64}$/.test(value);
}

/** `--debug` lines of a request: never the body, never a key. */
export function requestLines(method: string, url: string, headers: Readonly<Record<string, string>>): string[] {
  const lines = Object.entries(headers).map(([name, value]) => `> ${name}: ${sent.has(name) ? value : '(not shown)'}`);
  return [`> ${method} ${url}`, ...lines];
}

export function responseLines(status: number, headers: Readonly<Record<string, string>>): string[] {
  return [`< HTTP ${status}`, ...Object.entries(headers).map(([name, value]) => `< ${name}: ${value}`)];
}

/** `x-litellm-model-api-base` is whatever the admin wrote. */
function withoutUserinfo(value: string): string {
  return value.replaceAll(/:\/\/[^/\s@]*@/g, '://****@');
}
