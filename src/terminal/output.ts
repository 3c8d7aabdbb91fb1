import type { OwnText } from './own-text.ts';

/** A stream that people or programs read. */
export interface Output {
  readonly isTTY: boolean;
  /** Columns of the terminal; 80 where there is none. */
  readonly columns: number;
  /** Whether colours and cursor codes may be written: a terminal that is not dumb, and no NO_COLOR. */
  readonly isStyled: boolean;
  /** Whether the terminal breaks the lines on its screen anew when its width changes, as nearly all do. */
  readonly reflows: boolean;
  /** The reader went away (EPIPE): nothing more is written, and that is no failure. */
  readonly isClosed: boolean;
  /** What made writing impossible, a full disk say; null as long as all is well. */
  readonly failure: Error | null;
  /**
   * Resolves when there is room for more: awaiting it carries a slow reader's pace up to the socket. Once the run is
   * aborted it waits for nobody, so that what came is saved though the reader is stuck. Never rejects.
   *
   * A string is a stranger's: on a terminal, and for people, its controls become visible escapes. Codes of ours come as an
   * `OwnText` (outgoing-text.ts).
   */
  write(text: string | OwnText): Promise<void> | void;
  /** What the command says itself, with keys masked; the reply's own text does not go through here. */
  masked(text: string): string;
  /** The stream itself, for line editing at a terminal: nothing is made safe on it. */
  stream(): NodeJS.WriteStream;
  /** Resolves when all that was written has left the process, or never will. */
  flush(): Promise<void>;
}
