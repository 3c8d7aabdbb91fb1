import type { Command } from '../command.ts';
import { proxyFlags } from '../flags.ts';
import { login } from '../login.ts';

export const loginCommand: Command = {
  usage: 'login',
  describe: 'keep a key for a proxy: asked for unseen, or read from a pipe',
  configure: (parser) => {
    const { 'base-url': baseUrl, cacert, cert, 'cert-key': certKey, header, debug } = proxyFlags;
    return parser.options({
      'base-url': { ...baseUrl, describe: 'the proxy that the key is for' },
      check: {
        type: 'boolean',
        describe: 'ask the proxy whether it takes the key (default; --no-check keeps it anyway)',
      },
      ...(cacert && { cacert }),
      ...(cert && { cert }),
      ...(certKey && { 'cert-key': certKey }),
      ...(header && { header }),
      ...(debug && { debug }),
    });
  },
  run: login,
};
