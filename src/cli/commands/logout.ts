import { command } from '../command.ts';
import { reworded, toggle } from '../flags/flag.ts';
import { proxyFlags } from '../flags/flags.ts';
import { logout } from '../login.ts';

export const logoutCommand = command({
  usage: 'logout',
  describe: 'forget the key of a proxy',
  flags: {
    'base-url': reworded(proxyFlags['base-url'], { describe: 'the proxy whose key it is' }),
    all: toggle('forget every key'),
  },
  run: logout,
});
