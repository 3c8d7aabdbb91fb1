import type { Command } from '../command.ts';
import { proxyFlags } from '../flags.ts';
import { logout } from '../login.ts';

export const logoutCommand: Command = {
  usage: 'logout',
  describe: 'forget the key of a proxy',
  configure: (parser) =>
    parser.options({
      'base-url': { ...proxyFlags['base-url'], describe: 'the proxy whose key it is' },
      all: { type: 'boolean', describe: 'forget every key' },
    }),
  run: logout,
};
