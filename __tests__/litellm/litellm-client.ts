import { LiteLLMClient, type ClientOptions } from '../../src/client/client.ts';
import { litellmProxy } from '../support/litellm.ts';

/** A client of the suite's proxy. Without retries, so that a test sees each end once. */
export function litellmClient(options: Partial<ClientOptions> = {}): LiteLLMClient {
  const { baseUrl, masterKey } = litellmProxy();
  return new LiteLLMClient({ baseUrl, apiKey: masterKey, retries: 0, ...options });
}
