import { afterEach } from '@jest/globals';

/**
 * Gives what closes each thing after the test that opened it, whether or not that test went well: a server that is closed
 * after the assertions stays open when one of them fails, and holds the run up.
 */
export function useClosing(): <Open extends { close(): Promise<void> | void }>(opened: Open) => Open {
  const open: { close(): Promise<void> | void }[] = [];
  afterEach(async () => {
    for (const each of open.splice(0).toReversed()) await each.close();
  });
  return (opened) => {
    open.push(opened);
    return opened;
  };
}
