import { commandGroup } from '../command.ts';
import { fork, prune, remove, rename } from '../history/changing.ts';
import { exportHistory, importHistory, verify } from '../history/exchange.ts';
import { list, path, search, show } from '../history/reading.ts';

export const historyCommand = commandGroup(
  'history',
  'list, show, search, rename, fork, delete, prune, export, import, verify conversations',
  [list, show, search, rename, fork, remove, prune, exportHistory, importHistory, verify, path],
);
