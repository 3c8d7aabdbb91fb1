import type { LiteLLMClient } from '../client/client.ts';
import { askItem, type AskOptions, type ItemDefaults, type ItemEnd } from './ask-item.ts';
import type { BatchItem } from './batch-item.ts';

/** Who asks for the items of a batch: this process, or others. The batch decides how many at a time, and keeps what came. */
export interface Asker {
  /** Asks for one item, once. Rejects only with what ends the whole batch. */
  ask(item: BatchItem): Promise<ItemEnd>;
  /** Told when an end is on the disk: whoever held it for a later run need not any more. */
  kept(end: ItemEnd): void;
  /** Lets go of what it holds, in good order. */
  close(): Promise<void>;
}

/** This process asks. */
export function localAsker(client: LiteLLMClient, defaults: ItemDefaults, options: AskOptions): Asker {
  return {
    ask: (item) => askItem(client, item, defaults, options),
    kept: () => {},
    close: async () => {},
  };
}
