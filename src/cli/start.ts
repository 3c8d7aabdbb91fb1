import { processIo } from './io.ts';
import { main } from './main.ts';

/** The program with the real process around it: the entry of the bundle that `bin.ts` loads. */
export async function start(argv: readonly string[], cwd: string): Promise<number> {
  return main(argv, processIo(cwd));
}
