/** Reads what a proxy on this machine says about itself. Loopback only, so no HTTP proxy, no CA and no retry is involved. */

/** Whether something answers `/health/liveliness` as LiteLLM does. */
export async function isLive(baseUrl: string): Promise<boolean> {
  try {
    const answer = await fetch(`${baseUrl}/health/liveliness`, { signal: AbortSignal.timeout(2_000) });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}

/**
 * The version of the proxy that takes `masterKey`; null when what answers does not take it. Only for a port that is known to
 * be ours (listener.ts): a LiteLLM without a master key takes every key, and anybody who listens there would have it.
 */
export async function proxyVersion(baseUrl: string, masterKey: string): Promise<string | null> {
  try {
    const answer = await fetch(`${baseUrl}/health/readiness/details`, {
      headers: { authorization: `Bearer ${masterKey}` },
      signal: AbortSignal.timeout(10_000),
    });
    const { litellm_version: version } = (await answer.json()) as { litellm_version?: unknown };
    return answer.ok && typeof version === 'string' ? version : null;
  } catch {
    return null;
  }
}

/** Whether what answers refuses a key that nobody has: one that takes it asks for none, and is none of ours. */
export async function refusesStrangers(baseUrl: string, strangersKey: string): Promise<boolean> {
  try {
    const answer = await fetch(`${baseUrl}/health/readiness/details`, {
      headers: { authorization: `Bearer ${strangersKey}` },
      signal: AbortSignal.timeout(10_000),
    });
    await answer.arrayBuffer();
    return !answer.ok;
  } catch {
    return false;
  }
}

/** Sends one small request: the first one costs LiteLLM some seconds of imports. How it ends does not matter. */
export async function warmUp(baseUrl: string, masterKey: string, model: string): Promise<void> {
  const body = { model, messages: [{ role: 'user', content: 'warm up' }], stream: true };
  try {
    const answer = await fetch(`${baseUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(60_000),
    });
    await answer.arrayBuffer();
  } catch {
    // A model that cannot answer leaves a proxy that is merely not warm.
  }
}
