import { command } from '../../command.ts';
import { reworded, settingToggle, toggle } from '../../flags/flag.ts';
import { proxyFlags } from '../../flags/flags.ts';

export const loginCommand = command({
  usage: 'login',
  describe: 'sign in, or keep a key that is asked for unseen or read from a pipe',
  flags: {
    'base-url': reworded(proxyFlags['base-url'], { describe: 'the proxy that the key is for' }),
    browser: settingToggle('sign in with the browser of this machine; --no-browser: with one elsewhere, by a code'),
    'print-key': toggle('the key for this proxy, a fresh one, on standard output: for a helper of another program'),
    check: toggle('ask the proxy whether it takes the key (default; --no-check keeps it anyway)', {
      isOnByDefault: true,
    }),
    cacert: proxyFlags.cacert,
    cert: proxyFlags.cert,
    'cert-key': proxyFlags['cert-key'],
    header: proxyFlags.header,
    debug: proxyFlags.debug,
  },
  async run(values, context) {
    const { login } = await import('./run.ts');
    return login(values, context);
  },
});
