import { Credentials } from '../../config/credentials.ts';
import { CllmError, UsageError } from '../../outcome/errors.ts';
import type { Context } from '../context.ts';
import { command } from '../command.ts';
import { reworded, toggle } from '../flags/flag.ts';
import { proxyFlags } from '../flags/flags.ts';

/** Forgets the key of one proxy, or with `--all` every key. */
export const logout = command({
  usage: 'logout',
  describe: 'forget the key of a proxy',
  flags: {
    'base-url': reworded(proxyFlags['base-url'], { describe: 'the proxy whose key it is' }),
    all: toggle('forget every key'),
  },
  async run({ all }, context) {
    const credentials = new Credentials(context.paths.credentialsFile, context.io);
    const kept = credentials.list().map(({ baseUrl }) => baseUrl);
    if (all) {
      for (const baseUrl of kept) {
        await takeBack(baseUrl, credentials, context);
        await credentials.delete(baseUrl);
      }
      context.remark(kept.length === 0 ? 'no key was kept' : `forgot the keys for ${kept.join(', ')}`);
      return null;
    }
    const { ownBaseUrl } = await context.settings();
    await takeBack(ownBaseUrl, credentials, context);
    if (await credentials.delete(ownBaseUrl)) {
      context.remark(`forgot the key for ${ownBaseUrl}`);
      return null;
    }
    throw new UsageError(`no key is kept for ${ownBaseUrl}`, {
      code: 'input_invalid',
      hint:
        kept.length === 0 ? 'no key is kept at all' : `keys are kept for ${kept.join(', ')}: name one with --base-url`,
    });
  },
});

/** A sign-in is taken back on the proxy, or whoever has a copy of it could go on. */
async function takeBack(baseUrl: string, credentials: Credentials, context: Context): Promise<void> {
  const session = credentials.session(baseUrl);
  if (session === null) return;
  const { signIn } = await import('../asking/sign-in.ts');
  try {
    await signIn(baseUrl, context, ({ oauth }) => oauth.revoke(session));
  } catch (error) {
    if (!(error instanceof CllmError) || error.code === 'interrupted') throw error;
    context.remark(`the sign-in for ${baseUrl} could not be taken back (${error.message}); it ends by itself`);
  }
}
