import { parse, stringify } from 'yaml';

interface ProxyConfig {
  model_list?: unknown[];
  litellm_settings?: Record<string, unknown>;
  router_settings?: Record<string, unknown> & { fallbacks?: unknown[] };
  general_settings?: Record<string, unknown>;
}

/** The models whose upstreams are the fake providers: each is a real model's name, since LiteLLM translates by it. */
export function fakeProviderModels(url: string): Record<'openai' | 'anthropic' | 'gemini', Record<string, unknown>> {
  const key = { api_key: 'fake-provider-key' };
  return {
    // What each provider's LiteLLM code appends to its address differs.
    openai: { model: 'openai/gpt-4o-mini', api_base: `${url}/openai/v1`, ...key },
    anthropic: { model: 'anthropic/claude-sonnet-4-6', api_base: `${url}/anthropic`, ...key },
    gemini: { model: 'gemini/gemini-2.5-flash', api_base: `${url}/gemini/v1beta`, ...key },
  };
}

/**
 * The repository's own configuration with what the suite adds to it: models with fake upstreams, one with short timeouts
 * for each provider, one that falls back, and no retries, so that a test sees each failure once.
 */
export function overlayConfig(repositoryConfig: string, fakeProvidersUrl: string): string {
  const config = parse(repositoryConfig) as ProxyConfig;
  const models = fakeProviderModels(fakeProvidersUrl);
  const entry = (name: string, parameters: Record<string, unknown>): unknown => ({
    model_name: name,
    litellm_params: parameters,
  });
  return stringify({
    ...config,
    model_list: [
      ...(config.model_list ?? []),
      ...Object.entries(models).map(([name, parameters]) => entry(`fake-${name}`, parameters)),
      ...Object.entries(models).map(([name, parameters]) =>
        entry(`fake-${name}-impatient`, { ...parameters, timeout: 2, stream_timeout: 1 }),
      ),
      // A model whose price LiteLLM does not know: nobody can say what it cost.
      entry('unpriced', { ...models.openai, model: 'openai/nobody-knows-me' }),
      entry('falls-back', models.openai),
      entry('mock', { model: 'openai/mock', api_key: 'none', mock_response: 'Hello from the mock.' }),
      entry('mock-429', { model: 'openai/mock', api_key: 'none', mock_response: 'litellm.RateLimitError' }),
      // Nothing listens on the discard port of loopback.
      entry('unreachable', { ...models.openai, api_base: 'http://127.0.0.1:9/v1' }),
    ],
    guardrails: guardrails(),
    prompts: prompts(),
    litellm_settings: { ...config.litellm_settings, callbacks: ['attribution_log.attribution_log'] },
    router_settings: {
      ...config.router_settings,
      num_retries: 0,
      disable_cooldowns: true,
      fallbacks: [...(config.router_settings?.fallbacks ?? []), { 'falls-back': ['mock'] }],
    },
  });
}

/** A prompt that is kept in the proxy's own configuration. */
function prompts(): unknown[] {
  const content = 'System: You greet in {{ language }}.\n\nUser: [text tag={{ tag }}] Greet {{ who }}.';
  const metadata = {
    model: 'fake-openai',
    temperature: 0.5,
    input: { schema: { language: 'string', tag: 'string', who: 'string' } },
  };
  const parameters = { prompt_id: 'greet', prompt_integration: 'dotprompt', prompt_data: { content, metadata } };
  return [{ prompt_id: 'greet', litellm_params: parameters }];
}

/**
 * LiteLLM's own content filter in each of its modes, and a rule of the suite's for what only others do: refuse at the first
 * chunk, or after some. None runs unless a request names it.
 */
function guardrails(): unknown[] {
  const entry = (name: string, parameters: Record<string, unknown>): unknown => ({
    guardrail_name: name,
    litellm_params: parameters,
  });
  const filter = (mode: string, rules: Record<string, unknown>): Record<string, unknown> => ({
    guardrail: 'litellm_content_filter',
    mode,
    ...rules,
  });
  const email = { patterns: [{ pattern_type: 'prebuilt', pattern_name: 'email', action: 'MASK' }] };
  return [
    ...['pre_call', 'during_call'].map((mode) =>
      entry(`blocks-${mode}`, filter(mode, { blocked_words: [{ keyword: 'kumquat', action: 'BLOCK' }] })),
    ),
    // Of the fake providers' text.
    entry('blocks-post_call', filter('post_call', { blocked_words: [{ keyword: 'Hello', action: 'BLOCK' }] })),
    entry('masks-pre_call', filter('pre_call', email)),
    entry('masks-post_call', filter('post_call', { blocked_words: [{ keyword: 'Hello', action: 'MASK' }] })),
    entry('rule', { guardrail: 'stream_rule.StreamRule', mode: 'post_call' }),
  ];
}

/** A guardrail that refuses a stream where its prompt says so, as rules of admins do. */
export const streamRule = `from fastapi import HTTPException
from litellm.exceptions import GuardrailRaisedException
from litellm.integrations.custom_guardrail import CustomGuardrail

class StreamRule(CustomGuardrail):
    async def async_post_call_streaming_iterator_hook(self, user_api_key_dict, response, request_data):
        prompt, count = str(request_data.get("messages")), 0
        async for chunk in response:
            count += 1
            if count == 1 and "refuse-first" in prompt:
                raise HTTPException(status_code=500, detail={"error": "Violated guardrail policy"})
            if count == 3 and "refuse-later" in prompt:
                raise GuardrailRaisedException(guardrail_name="rule", message="no more of this")
            yield chunk
`;

/** A LiteLLM callback that appends what each call was attributed to, as a JSON line, to a file beside the configuration. */
export const attributionLog = `import json, os
from litellm.integrations.custom_logger import CustomLogger

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "attribution.jsonl")

class AttributionLog(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        payload = kwargs.get("standard_logging_object") or {}
        row = {
            "call_id": kwargs.get("litellm_call_id"),
            "model_group": payload.get("model_group"),
            "request_tags": payload.get("request_tags"),
            "end_user": payload.get("end_user"),
            "cost": payload.get("response_cost"),
            "spend_metadata": (payload.get("metadata") or {}).get("spend_logs_metadata"),
            "trace_id": payload.get("trace_id"),
        }
        with open(FILE, "a") as file:
            file.write(json.dumps(row) + "\\n")

attribution_log = AttributionLog()
`;
