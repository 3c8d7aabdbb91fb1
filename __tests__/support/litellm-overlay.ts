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
    litellm_settings: { ...config.litellm_settings, callbacks: ['attribution_log.attribution_log'] },
    router_settings: {
      ...config.router_settings,
      num_retries: 0,
      disable_cooldowns: true,
      fallbacks: [...(config.router_settings?.fallbacks ?? []), { 'falls-back': ['mock'] }],
    },
  });
}

/** A LiteLLM callback that appends what each call was attributed to, as a JSON line, to a file beside the configuration. */
export const attributionLog = `import json, os
from litellm.integrations.custom_logger import CustomLogger

FILE = os.environ["CLLM_TEST_ATTRIBUTION_LOG"]

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
