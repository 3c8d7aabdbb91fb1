/** Puts the text of a reply on stdout, piece by piece. */
export interface ReplyPrinter {
  /** Resolves when there is room for more. */
  write(text: string): Promise<void>;
  /** Ends the line that is open, so that something else can be written below it. */
  settle(): Promise<void>;
  /** What is still held back, and a newline if there is none. */
  end(): Promise<void>;
}
