import * as oauth from 'oauth4webapi';
import type { Session } from '../config/credentials.ts';
import { CllmError } from '../outcome/errors.ts';
import { redactSecrets } from '../protocol/redact-secrets.ts';
import type { Contract } from './contract.ts';
import type { ProxyFetch } from './proxy-fetch.ts';

/** A key with what renews it. */
export interface Grant {
  key: string;
  session: Session;
}

/** One attempt to sign in: what only this process knows, and what the browser is sent to. */
export interface Attempt {
  clientId: string;
  redirectUri: string;
  verifier: string;
  state: string;
  url: string;
}

/** A year: no key of a sign-in lasts so long, and beyond some number there is no date any more. */
const longestSeconds = 366 * 86_400;

/** OAuth 2.1 for a public client, by oauth4webapi: authorization code with PKCE, refresh tokens, revocation. */
export class OAuth {
  readonly #http: ProxyFetch;
  readonly #now: () => Date;

  constructor(http: ProxyFetch, now: () => Date = () => new Date()) {
    this.#http = http;
    this.#now = now;
  }

  /** Registers this program with the proxy, and says where the browser has to go. */
  async begin(contract: Contract, redirectUri: string): Promise<Attempt> {
    const metadata = {
      client_name: 'cllm',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
    const clientId = await explained('the registration', async () => {
      const response = await oauth.dynamicClientRegistrationRequest(serverOf(contract), metadata, this.#options());
      return (await oauth.processDynamicClientRegistrationResponse(response)).client_id;
    });
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const url = new URL(contract.authorization_endpoint);
    const query = {
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirectUri,
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      resource: contract.resource,
    };
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return { clientId, redirectUri, verifier, state, url: url.href };
  }

  /** What the browser came back with, as a key. */
  async redeem(contract: Contract, attempt: Attempt, answer: URLSearchParams): Promise<Grant> {
    const server = serverOf(contract);
    const client = { client_id: attempt.clientId };
    return explained('the sign-in', async () => {
      const parameters = oauth.validateAuthResponse(server, client, answer, attempt.state);
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        client,
        oauth.None(),
        parameters,
        attempt.redirectUri,
        attempt.verifier,
        { ...this.#options(), additionalParameters: { resource: contract.resource } },
      );
      const tokens = await oauth.processAuthorizationCodeResponse(server, client, response);
      return this.#grant(tokens, { ...contract, client_id: attempt.clientId });
    });
  }

  /** @throws CllmError `key_rejected` when the proxy renews it no more, another one when it could not be asked */
  async renew(session: Session): Promise<Grant> {
    const server = sessionServer(session);
    const client = { client_id: session.client_id };
    return explained('the renewal of the sign-in', async () => {
      const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), session.refresh_token, {
        ...this.#options(),
        additionalParameters: { resource: session.resource },
      });
      return this.#grant(await oauth.processRefreshTokenResponse(server, client, response), session);
    });
  }

  /** Takes the refresh token back, on the proxy. */
  async revoke(session: Session): Promise<void> {
    await explained('taking the sign-in back', async () => {
      const response = await oauth.revocationRequest(
        sessionServer(session),
        { client_id: session.client_id },
        oauth.None(),
        session.refresh_token,
        { ...this.#options(), additionalParameters: { token_type_hint: 'refresh_token' } },
      );
      await oauth.processRevocationResponse(response);
    });
  }

  #grant(
    tokens: oauth.TokenEndpointResponse,
    { client_id, token_endpoint, revocation_endpoint, resource }: Omit<Session, 'refresh_token' | 'expires_at'>,
  ): Grant {
    const { access_token: key, refresh_token: refreshToken, expires_in: seconds } = tokens;
    if (refreshToken === undefined || seconds === undefined)
      throw new CllmError('unexpected_response', 'the proxy gave a key without saying how it is renewed');
    const expiresAt = new Date(this.#now().getTime() + Math.min(seconds, longestSeconds) * 1000).toISOString();
    return {
      key,
      session: {
        refresh_token: refreshToken,
        expires_at: expiresAt,
        client_id,
        token_endpoint,
        revocation_endpoint,
        resource,
      },
    };
  }

  #options(): { [oauth.customFetch]: typeof fetch; [oauth.allowInsecureRequests]: true } {
    return {
      [oauth.customFetch]: async (url, options) => {
        const given = options as { method?: string; headers?: Record<string, string>; body?: unknown } | undefined;
        const body = given?.body;
        return this.#http.send({
          method: given?.method === 'POST' ? 'POST' : 'GET',
          url: url instanceof Request ? url.url : url.toString(),
          headers: { ...given?.headers },
          ...(body !== undefined &&
            body !== null && { body: body instanceof URLSearchParams ? body.toString() : (body as string) }),
        });
      },
      // A proxy on this machine, or in a company's own network, has plain http; its keys go there as well.
      [oauth.allowInsecureRequests]: true,
    };
  }
}

function serverOf(contract: Contract): oauth.AuthorizationServer {
  return { ...contract };
}

function sessionServer({ resource, token_endpoint, revocation_endpoint }: Session): oauth.AuthorizationServer {
  return { issuer: resource, token_endpoint, revocation_endpoint };
}

/** oauth4webapi's errors hold the proxy's words, and whole answers as their cause: those stay out. */
async function explained<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CllmError) throw error;
    if (error instanceof oauth.AuthorizationResponseError)
      throw refused(`${what} was not approved: ${error.error_description ?? error.error}`);
    if (error instanceof oauth.ResponseBodyError) {
      const words = `${what} was refused: ${error.error_description ?? error.error}`;
      if (error.status >= 500) throw new CllmError('server_error', redactSecrets(words));
      throw refused(words);
    }
    if (error instanceof oauth.WWWAuthenticateChallengeError)
      throw refused(`${what} was refused (HTTP ${error.status})`);
    if (error instanceof oauth.OperationProcessingError || error instanceof TypeError) {
      throw new CllmError('unexpected_response', `${what}: the proxy's answer is none of OAuth`, {
        hint: 'check --base-url; enter a key instead: cllm login',
      });
    }
    throw error;
  }
}

function refused(message: string): CllmError {
  return new CllmError('key_rejected', redactSecrets(message.replaceAll(/\s+/g, ' ').slice(0, 300)), {
    hint: 'sign in again, or enter a key: cllm login',
  });
}
