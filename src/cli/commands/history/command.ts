import { type Command, commandGroup } from '../../command.ts';
import { fork, prune, remove, rename } from './changing.ts';
import { exportHistory, importHistory, verify } from './transfer.ts';
import { last } from './last.ts';
import { share } from './share.ts';
import { list, path, search, show } from './reading.ts';

/** @param others commands of their own that people look for here as well */
export function historyCommand(others: readonly Command[]): Command {
  return commandGroup(
    'history',
    'list, show, last, search, share, rename, fork, delete, prune, export, import, verify conversations',
    [
      list,
      show,
      last,
      search,
      share,
      rename,
      fork,
      remove,
      prune,
      exportHistory,
      importHistory,
      verify,
      path,
      ...others,
    ],
  );
}
