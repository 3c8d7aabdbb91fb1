import type { ClientOptions } from '../../client/client.ts';
import { OAuth } from '../../sign-in/oauth.ts';
import { type ProxyFetch, proxyFetch } from '../../sign-in/proxy-fetch.ts';
import type { Io } from '../io.ts';
import { transportOptions } from './living-key.ts';

/** Does something of a sign-in with a proxy, over the way that all else takes, without a key. */
export async function signIn<Result>(
  baseUrl: string,
  { io, clientOptions }: { io: Io; clientOptions: (key: null, baseUrl: string) => Promise<ClientOptions> },
  work: (way: { http: ProxyFetch; oauth: OAuth }) => Promise<Result>,
): Promise<Result> {
  const options = await clientOptions(null, baseUrl);
  const http = proxyFetch(transportOptions(options), options.userAgent ?? 'cllm', io.signal);
  try {
    return await work({ http, oauth: new OAuth(http) });
  } finally {
    await http.close();
  }
}
