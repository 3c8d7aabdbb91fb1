import type { Command } from '../command.ts';
import { fork, prune, remove, rename } from '../history/changing.ts';
import { exportHistory, importHistory, verify } from '../history/exchange.ts';
import { list, path, search, show } from '../history/reading.ts';

export const historyCommand: Command = {
  usage: 'history',
  describe: 'list, show, search, rename, fork, delete, prune, export, import, verify conversations',
  subcommands: [list, show, search, rename, fork, remove, prune, exportHistory, importHistory, verify, path],
};
