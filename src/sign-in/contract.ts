import { normalizeBaseUrl } from '../client/base-url.ts';
import { isJsonObject } from '../protocol/json.ts';

/** What a proxy says of how programs sign somebody in: `/.well-known/litellm-cli-auth`. */
export interface Contract {
  issuer: string;
  authorization_endpoint: string;
  token_endpoint: string;
  registration_endpoint: string;
  revocation_endpoint: string;
  resource: string;
}

const endpoints = [
  'authorization_endpoint',
  'token_endpoint',
  'registration_endpoint',
  'revocation_endpoint',
  'resource',
] as const;

/**
 * Reads the document, by the rules that LiteLLM's own program keeps (litellm 1.104.2, pkce_login.py): its version is 1, it is
 * issued for the very proxy that was asked, PKCE is S256, and nothing in it leads to another origin. Otherwise somebody in
 * between could have tokens sent elsewhere.
 *
 * @returns the contract, or why there is none to be used
 */
export function readContract(document: unknown, baseUrl: string): Contract | { reason: string } {
  if (!isJsonObject(document)) return { reason: 'the proxy knows no sign-in for programs' };
  if (document['contract_version'] !== 1) return { reason: 'the proxy’s way to sign in is newer than this cllm' };
  const methods = document['code_challenge_methods_supported'];
  if (!Array.isArray(methods) || !methods.includes('S256')) return { reason: 'the proxy does not know PKCE with S256' };
  const { issuer } = document;
  if (typeof issuer !== 'string' || canonical(issuer) !== canonical(baseUrl))
    return { reason: 'the proxy’s sign-in is issued for another address; name that one with --base-url' };
  const { origin } = new URL(baseUrl);
  const found: Record<string, string> = { issuer };
  for (const name of endpoints) {
    const url = document[name];
    if (typeof url !== 'string' || !URL.canParse(url) || new URL(url).origin !== origin)
      return { reason: `the proxy’s ${name} leads elsewhere` };
    found[name] = url;
  }
  return found as unknown as Contract;
}

function canonical(url: string): string | null {
  try {
    return normalizeBaseUrl(url);
  } catch {
    return null;
  }
}
