import { Credentials } from '../../config/credentials.ts';
import { UsageError } from '../../outcome/errors.ts';
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
      for (const baseUrl of kept) await credentials.delete(baseUrl);
      context.remark(kept.length === 0 ? 'no key was kept' : `forgot the keys for ${kept.join(', ')}`);
      return null;
    }
    const { ownBaseUrl } = await context.settings();
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
