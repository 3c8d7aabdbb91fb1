import { UsageError } from '../outcome/errors.ts';

/**
 * A base URL in the one form that the rest of the client uses: scheme, host, path prefix, no trailing slash, no `/v1`.
 * People paste what their proxy's page shows, so `…/`, `…/v1` and a whole endpoint are taken too.
 *
 * @throws UsageError `base_url_invalid`, with what to write instead. A URL that holds a user name or a password is
 * refused, for it would be stored and shown with everything else, and its credentials are not repeated.
 */
export function normalizeBaseUrl(text: string): string {
  const trimmed = unquoted(text.trim());
  if (trimmed === '') throw invalid('the base URL is empty', 'Write it like http://localhost:4000.');
  const shown = withoutCredentials(trimmed);
  const scheme = /^([a-z][a-z\d+.-]*):(?!\d)/i.exec(trimmed)?.[1]?.toLowerCase();
  if (scheme === undefined || (!trimmed.includes('://') && scheme !== 'http' && scheme !== 'https')) {
    throw invalid(`the base URL "${shown}" has no scheme`, `did you mean ${guess(shown)}?`);
  }
  if (scheme !== 'http' && scheme !== 'https') {
    throw invalid(
      `the base URL "${shown}" has the scheme "${scheme}"; only http and https are known`,
      `did you mean ${guess(shown.slice(shown.indexOf('://') + 3))}?`,
    );
  }
  let url: URL;
  try {
    url = new URL(trimmed);
  } catch {
    throw invalid(
      `"${shown}" is no URL`,
      'write the base URL like http://localhost:4000 or https://llm.example.com/prefix',
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid(
      `the base URL "${shown}" holds credentials`,
      'leave them out; `cllm login` keeps the key, and --header sends other ones',
    );
  }
  if (url.search !== '' || url.hash !== '') {
    throw invalid(`the base URL "${shown}" has a query or a fragment`, `did you mean ${url.origin}${url.pathname}?`);
  }
  const path = url.pathname
    .replace(/\/+$/, '')
    .replace(/\/chat\/completions$/, '')
    .replace(/\/v1$/, '')
    .replace(/\/+$/, '');
  return url.origin + path;
}

/** Without the quotes around it that an env file for Docker, or a careful copy, leaves in the value. */
export function unquoted(text: string): string {
  return /^(["'`])(.*)\1$/s.exec(text)?.[2]?.trim() ?? text;
}

/** `localhost:4000` and names without a dot are plain http as a rule, anything public is https. */
function guess(rest: string): string {
  const host = rest.replace(/^\/*/, '');
  const isLocal = /^(localhost|\d+\.|\[|[^./:]+(:|\/|$))/i.test(host);
  return `${isLocal ? 'http' : 'https'}://${host}`;
}

function withoutCredentials(text: string): string {
  return text
    .replace(/^([a-z][a-z\d+.-]*:)?(\/*)[^/?#]*@/i, '$1$2****@')
    .replace(/[?#].*$/s, (query) => query[0] + '…');
}

function invalid(message: string, hint: string): UsageError {
  return new UsageError(message, { code: 'base_url_invalid', hint });
}
