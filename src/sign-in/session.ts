import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Credentials, Session } from '../config/credentials.ts';
import { withFileLock } from '../files/file-lock.ts';
import type { OwnProcess } from '../files/own-process.ts';
import { identifyProcess } from '../files/process-identity.ts';
import { CllmError } from '../outcome/errors.ts';
import type { Grant } from './oauth.ts';

/** So long before its end a key is renewed, as LiteLLM's own program does it. */
const marginMs = 360_000;

/**
 * The key of a sign-in, renewed where its end is near or it was refused. A refresh token is used once: of any number of
 * processes one renews and keeps the new pair before anybody uses it, and the others take what that one kept.
 *
 * @throws CllmError `key_rejected` when there is no key any more that the proxy takes
 */
export async function freshKey(
  baseUrl: string,
  around: {
    credentials: Credentials;
    own: OwnProcess;
    renew: (session: Session) => Promise<Grant>;
    revoke: (session: Session) => Promise<void>;
    now: () => Date;
    signal: AbortSignal;
    /** A key that the proxy has refused. */
    refused?: string;
  },
): Promise<string | null> {
  const { credentials, own, renew, revoke, now, signal, refused } = around;
  const living = (): string | null => {
    const kept = credentials.kept(baseUrl);
    if (kept === null || kept.key === refused) return null;
    const { key, session } = kept;
    // One that was entered meanwhile.
    if (session === null) return key;
    return Date.parse(session.expires_at) - now().getTime() > marginMs ? key : null;
  };
  const found = living();
  if (found !== null) return found;
  const name = createHash('sha256').update(baseUrl).digest('hex').slice(0, 16);
  const lock = join(dirname(credentials.file), `sign-in-${name}`);
  return withFileLock(
    lock,
    identifyProcess(own.pid),
    async () => {
      const renewed = living();
      if (renewed !== null) return renewed;
      const { key, session } = credentials.kept(baseUrl) ?? { key: '', session: null };
      if (session === null) return null;
      try {
        const grant = await renew(session);
        if (await credentials.renew(baseUrl, session.refresh_token, grant, now())) return grant.key;
        // Somebody logged out, or in, meanwhile: nobody is to have what would go on.
        await revoke(grant.session).catch(() => {});
        return living();
      } catch (error) {
        const isUsable = key !== refused && Date.parse(session.expires_at) > now().getTime();
        if (!(error instanceof CllmError) || error.code === 'interrupted' || !isUsable) throw error;
        return key;
      }
    },
    { signal, abandonedMs: 120_000 },
  );
}
