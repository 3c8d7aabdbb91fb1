import type { ErrorCode } from '../../outcome/errors.ts';
import type { ErrorFrame } from './error-frame.ts';
import { isBudgetRefusal, parallelLimitOf } from './error-message.ts';
import { guardrailTitle } from './guardrail.ts';
import { shellWord } from '../shell-word.ts';

/** What an error tells about itself: an answer that is no reply, or a frame in one. */
export interface ErrorFacts extends ErrorFrame {
  status: number;
  /** The body is a page or plain text, so no LiteLLM speaks here. */
  isForeign: boolean;
  hasKey: boolean;
  /** Where the request went; null for a frame, which tells nothing of the way there. */
  url: URL | null;
}

interface ErrorRule {
  when(facts: ErrorFacts): boolean;
  code: ErrorCode;
  /** What happened, in words; the proxy's own follow. */
  what: string | ((facts: ErrorFacts) => string);
  hint?: string | ((facts: ErrorFacts) => string | undefined);
  /** Default false: the same request would fail again. */
  isRetryable?: boolean | ((facts: ErrorFacts) => boolean);
}

/** Types of LiteLLM's gateway itself; `authentication_error` and the like are handed on from a provider. */
const gatewayKeyTypes = new Set(['auth_error', 'token_not_found_in_db', 'expired_key', 'no_db_connection']);

/** The provider behind the proxy speaks, not the proxy. A `litellm.` prefix alone proves nothing. */
function isProviders(facts: ErrorFacts): boolean {
  return (
    facts.type === 'authentication_error' ||
    /\b[A-Z]\w+Exception\b|^\s*b['"]|^litellm\.(AuthenticationError|PermissionDeniedError)/.test(facts.message)
  );
}

const isTransient = (status: number) => status === 408 || status === 500 || (status >= 520 && status < 600);

const modelHint =
  '`cllm models` lists what this key may use; choose one with -m, or as default with `cllm config set model NAME`';
const loginHint = 'enter a key for this proxy with `cllm login`, or set LITELLM_PROXY_API_KEY';
const pathHint = ({ url }: ErrorFacts) =>
  url === null
    ? undefined
    : `check the path in --base-url (now ${baseOf(url)}): a proxy behind a prefix needs it there, without /v1`;

/** The first rule that fits decides, so the order matters. Source: LiteLLM 1.104.2's errors and those before it. */
const errorRules: ErrorRule[] = [
  {
    when: (facts) => isBudgetRefusal(facts),
    code: 'budget_exceeded',
    what: (facts) =>
      facts.type === 'budget_exceeded' ? 'the budget is used up' : "the proxy's budget for this model is used up",
    hint: '`cllm whoami` shows whose budget it is and when it resets; an admin of the proxy can raise it',
  },
  {
    // By its fields, at any status: LiteLLM gives a block the one that its rule chose.
    when: ({ guardrail }) => guardrail !== undefined,
    code: 'guardrail_blocked',
    what: ({ guardrail }) => (guardrail === undefined ? '' : `blocked by the guardrail ${guardrailTitle(guardrail)}`),
  },
  {
    // 401, though the key is fine.
    when: ({ status, message }) => status === 401 && /is not allowed in request body/.test(message),
    code: 'bad_request',
    what: 'the proxy refused a field of the request',
  },
  {
    when: (facts) =>
      (facts.status === 401 || facts.status === 403) && !facts.type?.endsWith('_access_denied') && isProviders(facts),
    code: 'provider_auth',
    what: "the provider refused the proxy's own key, not yours",
    hint: "an admin of the proxy has to look at that model's key; another model may work: `cllm models`",
  },
  {
    when: ({ status, type }) => status === 403 && type?.endsWith('_access_denied') === true,
    code: 'model_not_allowed',
    what: 'this key may not use that model',
    hint: modelHint,
  },
  {
    when: ({ status, type, hasKey }) => !hasKey && (status === 401 || (type !== null && gatewayKeyTypes.has(type))),
    code: 'no_key',
    what: 'the proxy asks for a key, and none was sent',
    hint: loginHint,
  },
  {
    when: ({ status, message }) =>
      (status === 401 || status === 403) && /\b(Key|Team|Project)\b.{0,80} is blocked\b/.test(message),
    code: 'key_rejected',
    what: 'the proxy rejected the key',
    hint: 'an admin of the proxy has blocked it, and can unblock it: ask them',
  },
  {
    when: ({ status, type }) => status === 401 || (type !== null && gatewayKeyTypes.has(type)),
    code: 'key_rejected',
    what: ({ type }) => (type === 'expired_key' ? 'the key has expired' : 'the proxy rejected the key'),
    hint: loginHint,
  },
  {
    when: ({ status }) => status === 407,
    code: 'http_proxy_failed',
    what: 'an HTTP proxy on the way asks for a user name and password',
    hint: 'put them into HTTP_PROXY or HTTPS_PROXY: http://user:password@proxy:3128',
  },
  {
    // OpenAI's word for an unpaid bill, in the dress of a rate limit: waiting does not help.
    when: ({ status, message }) => status === 429 && /insufficient_quota|exceeded your current quota/i.test(message),
    code: 'rate_limited',
    what: "the provider's quota is used up",
    hint: "an admin of the proxy has to look at the provider's bill; another model may work: `cllm models`",
  },
  {
    when: ({ status, message }) => status === 429 && parallelLimitOf(message) !== null,
    code: 'rate_limited',
    what: 'too many requests at a time',
    isRetryable: true,
    hint: 'ask when another call of this key has ended; `cllm whoami` shows how many it may have at a time',
  },
  {
    when: ({ status }) => status === 429,
    code: 'rate_limited',
    what: 'too many requests',
    isRetryable: true,
    hint: '`cllm whoami` shows the limits of this key; --retries waits for longer',
  },
  {
    when: ({ status, message }) =>
      status >= 400 &&
      /ContextWindowExceeded|context_length_exceeded|maximum context length|context window|prompt is too long|input is too long|input token count.{0,200}exceeds|exceed_context_size|too many (input )?tokens/i.test(
        message,
      ),
    code: 'context_window_exceeded',
    what: 'the prompt is longer than the model takes',
    hint: 'shorten it, start a new conversation, or choose a model with a larger context: `cllm models`',
  },
  {
    when: ({ status, message }) =>
      status >= 400 &&
      /ContentPolicyViolation|content_policy_violation|content management policy|ResponsibleAIPolicy|content[_ ]filter/i.test(
        message,
      ),
    code: 'content_policy',
    what: "the provider's content policy refused the prompt",
  },
  {
    when: ({ status, message }) =>
      (status === 400 || status === 404) &&
      /Invalid model name passed in|model[^.]{0,120}(does not exist|not found)|model_not_found|no healthy deployments? for this model/i.test(
        message,
      ),
    code: 'model_not_found',
    what: 'the proxy does not know that model',
    hint: modelHint,
  },
  {
    when: ({ status, message }) => status === 400 && /HTTPS (port|server)/i.test(message),
    code: 'bad_request',
    what: 'this port speaks HTTPS',
    hint: ({ url }) =>
      url === null ? undefined : `use --base-url ${shellWord(url.origin.replace('http:', 'https:'), 'URL')}`,
  },
  {
    when: ({ status, url }) => url !== null && (status === 404 || status === 405),
    code: 'not_found',
    what: 'nothing is there',
    hint: pathHint,
  },
  {
    when: ({ status, message }) => status >= 500 && /(DB|Database) not connected|No connected db/i.test(message),
    code: 'server_error',
    what: 'the proxy has no database, which this needs',
  },
  {
    when: ({ status, hasKey, isForeign, message }) =>
      status === 500 && !hasKey && isForeign && message === 'Internal Server Error',
    code: 'server_error',
    what: 'the proxy failed',
    isRetryable: true,
    hint: 'no key was sent, and some proxies answer that so; enter one with `cllm login`',
  },
  {
    when: ({ status }) => status === 502 || status === 503 || status === 504,
    code: 'server_error',
    what: ({ isForeign }) =>
      isForeign
        ? 'something in front of the proxy could not reach it'
        : 'the proxy, or the provider behind it, is not available',
    isRetryable: true,
    hint: 'try again later; `cllm doctor` looks at each step',
  },
  {
    when: ({ status }) => status === 408,
    code: 'server_error',
    what: 'the provider did not answer the proxy in time',
    isRetryable: true,
  },
  {
    when: ({ status }) => status >= 500,
    code: 'server_error',
    what: 'the proxy, or the provider behind it, failed',
    isRetryable: ({ status }) => isTransient(status),
    hint: 'try again later, or another model: `cllm models`',
  },
  {
    when: ({ status, isForeign }) => status === 403 && isForeign,
    code: 'unexpected_response',
    what: 'something in front of the proxy refused the request',
    hint: 'a firewall or a login page may be in the way; `cllm doctor` looks at each step',
  },
  {
    when: ({ status }) => status === 403,
    code: 'key_rejected',
    what: 'the proxy refused this key',
    hint: '`cllm whoami` shows what it may do',
  },
  { when: ({ status }) => status >= 400, code: 'bad_request', what: 'the proxy refused the request' },
];

const unexpectedResponse: ErrorRule = {
  when: () => true,
  code: 'unexpected_response',
  what: 'the answer is no reply',
  hint: pathHint,
};

/** What an error is, by its rule; the proxy's own words are the caller's to add. */
export interface Classified {
  code: ErrorCode;
  what: string;
  hint: string | undefined;
  isRetryable: boolean;
}

/** One classification for the bodies of answers and for frames in a stream. */
export function classified(facts: ErrorFacts): Classified {
  const rule = errorRules.find((each) => each.when(facts)) ?? unexpectedResponse;
  const told = <T>(value: T | ((facts: ErrorFacts) => T)): T =>
    typeof value === 'function' ? (value as (facts: ErrorFacts) => T)(facts) : value;
  return {
    code: rule.code,
    what: told(rule.what),
    hint: told(rule.hint),
    isRetryable: told(rule.isRetryable ?? false),
  };
}

/** What a frame's code, or its type, would have been as a status; 500 for one that names none. */
export function statusOfFrame({ code, type }: ErrorFrame): number {
  const status = Number(code);
  if (Number.isInteger(status) && status >= 400 && status <= 599) return status;
  // Not every word that an object answers to is one of ours: `constructor`.
  const word = [code, type].find((each) => each !== null && Object.hasOwn(statusOfWord, each));
  return statusOfWord[word ?? ''] ?? 500;
}

/** Source: the error types of LiteLLM 1.104.2, OpenAI, Anthropic and Gemini. */
const statusOfWord: Readonly<Record<string, number>> = {
  throttling_error: 429,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  rate_limited: 429,
  insufficient_quota: 429,
  RESOURCE_EXHAUSTED: 429,
  auth_error: 401,
  authentication_error: 401,
  invalid_api_key: 401,
  UNAUTHENTICATED: 401,
  permission_error: 403,
  PERMISSION_DENIED: 403,
  key_model_access_denied: 403,
  team_model_access_denied: 403,
  user_model_access_denied: 403,
  model_not_found: 404,
  not_found_error: 404,
  context_length_exceeded: 400,
};

function baseOf(url: URL): string {
  return url.origin + url.pathname.replace(/\/v1\/.*$|\/(model|key|health)\/.*$/, '');
}
