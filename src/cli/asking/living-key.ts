import type { ClientOptions } from '../../client/client.ts';
import type { ApiKey } from '../../config/api-key.ts';
import { type Credentials, maskKey } from '../../config/credentials.ts';
import type { Paths } from '../../config/paths.ts';
import type { Settings } from '../../config/settings.ts';
import type { Io } from '../io.ts';

/** A key, and how there is another one once the proxy refuses it. */
export interface LivingKey {
  key: ApiKey;
  renew: ((refused: string) => Promise<string | null>) | null;
}

/**
 * The key of a program of the user's (`key_command`), or that of a sign-in, which both come to an end and can be had anew. A
 * key that was named for this run, by a file or the environment, is what it is.
 */
export async function livingKey(
  found: ApiKey,
  around: {
    settings: Settings;
    credentials: Credentials;
    paths: Paths;
    io: Io;
    /** The way to the proxy, without a key. */
    way: () => Promise<ClientOptions>;
  },
): Promise<LivingKey> {
  const { settings, credentials, paths, io, way } = around;
  if (found.origin === '--api-key-file' || found.origin === 'LITELLM_PROXY_API_KEY') return { key: found, renew: null };
  const { value: command } = settings.keyCommand;
  // As a key of the environment, it is for the user's own proxy.
  if (command !== null && found.withheld === null && settings.baseUrl.value === settings.ownBaseUrl) {
    const { keyFromCommand } = await import('../../config/key-command.ts');
    const { mkdirSync } = await import('node:fs');
    mkdirSync(paths.configDirectory, { recursive: true, mode: 0o700 });
    const ask = async (): Promise<string> => {
      const key = await keyFromCommand(command, { env: io.env, cwd: paths.configDirectory, signal: io.signal });
      io.secrets.add(key);
      return key;
    };
    const key = await ask();
    return { key: { key, maskedKey: maskKey(key), origin: 'key_command', withheld: null }, renew: ask };
  }
  const baseUrl = settings.baseUrl.value;
  // Read anew, and together: since the key was found another process may have put the next one in its place.
  const kept = found.key === null ? null : credentials.kept(baseUrl);
  if (kept === null || kept.session === null) return { key: found, renew: null };
  io.secrets.add(kept.key);
  const fresh = async (refused?: string): Promise<string | null> => {
    const [{ freshKey }, { OAuth }, { proxyFetch }] = await Promise.all([
      import('../../sign-in/session.ts'),
      import('../../sign-in/oauth.ts'),
      import('../../sign-in/proxy-fetch.ts'),
    ]);
    const { signal } = io;
    const http = proxyFetch(transportOptions(await way()), 'cllm', signal);
    try {
      const oauth = new OAuth(http);
      const key = await freshKey(baseUrl, {
        credentials,
        own: io,
        renew: (session) => oauth.renew(session),
        revoke: (session) => oauth.revoke(session),
        now: () => new Date(),
        signal,
        ...(refused !== undefined && { refused }),
      });
      if (key !== null) io.secrets.add(key);
      return key;
    } finally {
      await http.close();
    }
  };
  // Until its end is near nothing of a sign-in is loaded.
  const isNear = Date.parse(kept.session.expires_at) - Date.now() < 360_000;
  const key = isNear ? await fresh() : kept.key;
  return { key: { ...found, key, maskedKey: key === null ? null : maskKey(key) }, renew: fresh };
}

export function transportOptions(options: ClientOptions): {
  connectTimeout: number;
  ca?: string[];
  cert?: string;
  certKey?: string;
  httpProxy?: NonNullable<ClientOptions['httpProxy']>;
} {
  const { connectTimeout = 10, ca, cert, certKey, httpProxy } = options;
  return {
    connectTimeout,
    ...(ca !== undefined && { ca: Array.isArray(ca) ? ca : [ca] }),
    ...(cert !== undefined && { cert }),
    ...(certKey !== undefined && { certKey }),
    ...(httpProxy !== undefined && { httpProxy }),
  };
}
