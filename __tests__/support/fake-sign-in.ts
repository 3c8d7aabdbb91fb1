import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A proxy that signs people in as LiteLLM 1.104.2 does (`/.well-known/litellm-cli-auth` and `/sso/cli/start`), without its
 * pages: whoever opens the address has said yes. Codes and refresh tokens are used once, a key has a life of its own.
 */
export interface FakeSignIn {
  baseUrl: string;
  /** Changes the document that says what the proxy can. */
  document: (contract: Record<string, unknown>) => unknown;
  /** Seconds that a key says it lives. */
  lifetime: number;
  /** The keys that are taken. */
  keys: Set<string>;
  /** Each request, as `POST /token refresh_token`. */
  requests: string[];
  revoked: string[];
  /** The teams of who signs in with a code. */
  teams: string[];
  /** A refresh token for a session that is there already. */
  refreshToken(): string;
  /** Answers in place of a path. */
  instead: Map<string, (response: ServerResponse) => void>;
  close(): Promise<void>;
}

const random = (): string => randomBytes(12).toString('hex');

export async function startFakeSignIn(): Promise<FakeSignIn> {
  const codes = new Map<string, { challenge: string; redirectUri: string; clientId: string }>();
  const refreshTokens = new Set<string>();
  const polls = new Map<string, number>();
  const fake: Omit<FakeSignIn, 'baseUrl' | 'close'> = {
    document: (contract) => contract,
    lifetime: 3600,
    keys: new Set(),
    requests: [],
    revoked: [],
    teams: [],
    refreshToken: () => {
      const token = `llm_srefresh_${random()}`;
      refreshTokens.add(token);
      return token;
    },
    instead: new Map(),
  };
  const newKey = (): string => {
    const key = `sk-signed-in-${random()}`;
    fake.keys.add(key);
    return key;
  };
  let baseUrl = '';
  const answer = (request: IncomingMessage, body: string, response: ServerResponse): void => {
    const url = new URL(request.url ?? '/', baseUrl);
    const form = new URLSearchParams(body);
    const send = (status: number, value: unknown, headers: Record<string, string> = {}): void =>
      void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
    const refuse = (error: string): void => send(400, { error, error_description: `${error}, as LiteLLM says it` });
    const tokens = (): unknown => ({
      access_token: newKey(),
      token_type: 'Bearer',
      expires_in: fake.lifetime,
      refresh_token: fake.refreshToken(),
      user_id: 'ann',
    });
    fake.requests.push(
      `${request.method} ${url.pathname}${form.has('grant_type') ? ` ${form.get('grant_type')}` : ''}`,
    );
    const instead = fake.instead.get(url.pathname);
    if (instead !== undefined) return instead(response);
    switch (url.pathname) {
      case '/.well-known/litellm-cli-auth':
        return send(
          200,
          fake.document({
            contract_version: 1,
            issuer: baseUrl,
            authorization_endpoint: `${baseUrl}/authorize`,
            token_endpoint: `${baseUrl}/token`,
            registration_endpoint: `${baseUrl}/register`,
            revocation_endpoint: `${baseUrl}/revoke`,
            resource: baseUrl,
            code_challenge_methods_supported: ['S256'],
          }),
        );
      case '/register':
        return send(201, { client_id: `llm_dcrc_${random()}`, ...(JSON.parse(body) as object) });
      case '/authorize': {
        const query = url.searchParams;
        const redirectUri = query.get('redirect_uri') ?? '';
        if (query.get('code_challenge_method') !== 'S256' || query.get('resource') !== baseUrl)
          return refuse('invalid_request');
        if (new URL(redirectUri).hostname !== '127.0.0.1') return refuse('invalid_request');
        const code = `llm_gcode_${random()}`;
        codes.set(code, {
          challenge: query.get('code_challenge') ?? '',
          redirectUri,
          clientId: query.get('client_id') ?? '',
        });
        const back = new URL(redirectUri);
        back.searchParams.set('code', code);
        back.searchParams.set('state', query.get('state') ?? '');
        return void response.writeHead(303, { location: back.href }).end();
      }
      case '/token': {
        if (form.get('grant_type') === 'refresh_token') {
          return refreshTokens.delete(form.get('refresh_token') ?? '') ? send(200, tokens()) : refuse('invalid_grant');
        }
        const known = codes.get(form.get('code') ?? '');
        codes.delete(form.get('code') ?? '');
        const challenge = createHash('sha256')
          .update(form.get('code_verifier') ?? '')
          .digest('base64url');
        const isSound =
          known?.challenge === challenge &&
          known.redirectUri === form.get('redirect_uri') &&
          known.clientId === form.get('client_id') &&
          form.get('resource') === baseUrl;
        return isSound ? send(200, tokens()) : refuse('invalid_grant');
      }
      case '/revoke':
        fake.revoked.push(form.get('token') ?? '');
        refreshTokens.delete(form.get('token') ?? '');
        return send(200, {});
      case '/sso/cli/start':
        polls.set('cli-1', 0);
        return send(200, { login_id: 'cli-1', poll_secret: 'secret', user_code: 'T5DK-RMQD' });
      case '/sso/cli/poll/cli-1': {
        if (request.headers['x-litellm-cli-poll-secret'] !== 'secret')
          return send(403, { detail: 'Invalid CLI polling secret' });
        const seen = polls.get('cli-1') ?? 0;
        polls.set('cli-1', seen + 1);
        if (seen === 0) return send(200, { status: 'pending' });
        const team = url.searchParams.get('team_id');
        if (fake.teams.length > 1 && team === null) {
          return send(200, { status: 'ready', requires_team_selection: true, teams: fake.teams, user_id: 'ann' });
        }
        return send(200, { status: 'ready', key: newKey(), team_id: team, teams: fake.teams });
      }
      default: {
        const key = request.headers.authorization?.replace('Bearer ', '') ?? '';
        if (!fake.keys.has(key))
          return send(401, {
            error: { message: 'Authentication Error, Expired Key', type: 'expired_key', code: '401' },
          });
        if (url.pathname === '/v1/models') return send(200, { data: [{ id: 'hello' }] });
        // The key is in no table of LiteLLM's.
        if (url.pathname === '/key/info')
          return send(500, { error: { message: '`where.token`: A value is required but not set', code: '500' } });
        if (url.pathname === '/user/info') {
          const user = { user_id: 'ann', user_email: 'ann@example.com', max_budget: 10, spend: 4 };
          return send(200, { user_id: 'ann', user_info: user, keys: [], teams: [] });
        }
        if (url.pathname !== '/v1/chat/completions') return send(404, { detail: 'Not Found' });
        const message = { role: 'assistant', content: 'Hello.' };
        return send(200, {
          id: 'c',
          object: 'chat.completion',
          created: 1,
          model: 'hello',
          choices: [{ index: 0, message, finish_reason: 'stop' }],
        });
      }
    }
  };
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => answer(request, Buffer.concat(pieces).toString(), response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(fake, {
    baseUrl,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
