/** Puts the text of a reply on stdout, piece by piece. */
export interface ReplyPrinter {
  /** Waited for, it carries a slow reader's pace up to the socket; nothing to wait for as long as there is room. */
  write(text: string): Promise<void> | void;
  /** Ends the line that is open, so that something else can be written below it. */
  settle(): Promise<void>;
  /** What is still held back, and a newline if there is none. */
  end(): Promise<void>;
}
