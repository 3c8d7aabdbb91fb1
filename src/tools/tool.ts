import type { Json } from '../protocol/types.ts';

/** What a call wants done, as rules match it and people are asked about it. */
export type ToolSubject =
  /** A tool of an MCP server of the proxy. */
  | { kind: 'mcp'; server: string; tool: string }
  /** A program of this machine with its words; nothing stands between them and the program. */
  | { kind: 'command'; argv: readonly string[] }
  /** Only whoever wrote the definition (`--tools FILE`) can give a result. */
  | { kind: 'caller' };

/** What became of a call that was run. A tool that says it failed has a result like any other: the model reads it. */
export interface ToolOutcome {
  /** At most `mostResultText` characters of what came, harmless to a terminal. */
  text: string;
  isError: boolean;
}

/** Something that a model may call: a schema, a rule's subject, and a way to run it. */
export interface Tool {
  /** As the model calls it: `[A-Za-z0-9_-]{1,64}` (OpenAI's rule for function names, the narrowest of the providers). */
  readonly name: string;
  /** The item of the request's `tools`. */
  readonly definition: Readonly<Record<string, Json>>;
  /**
   * What these arguments want done.
   *
   * @throws ToolArgumentsError for arguments that the tool does not take: the model is told, and nobody is asked
   */
  subject(args: unknown): ToolSubject;
  /**
   * Runs it once. Never throws for what the tool, its server or its program does: the outcome says it. Null for a tool of
   * the caller.
   *
   * @param input the arguments as the model wrote them: JSON, in which a number may have more digits than a double holds
   * @throws InterruptedError after the signal
   */
  readonly run: ((args: unknown, signal: AbortSignal, input?: string) => Promise<ToolOutcome>) | null;
}

/** Arguments that a tool does not take, in words for the model. */
export class ToolArgumentsError extends Error {}

/** Characters of a result that go to the model. */
export const mostResultText = 64 * 1024;
