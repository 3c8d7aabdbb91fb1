import type { Situation } from './situation.ts';

/** A request as a provider got it, parsed. */
export type WireRequest = Record<string, unknown>;

/** One write of a stream; faults and pauses count the writes that carry content. */
export interface Frame {
  bytes: string;
  isContent: boolean;
}

/** One provider's own wire protocol. */
export interface WireProtocol {
  name: 'openai' | 'anthropic' | 'gemini';
  /** The text of the last user message. */
  prompt(request: WireRequest): string;
  isStream(request: WireRequest, path: string): boolean;
  stream(situation: Situation, request: WireRequest): Frame[];
  /** What ends a stream after its last frame, where the protocol has something. */
  endMark: string;
  body(situation: Situation, request: WireRequest): unknown;
  /** The body of an HTTP error, in the provider's own words: LiteLLM reads some of them. */
  error(status: number): unknown;
  errorFrame: string;
}

/** The text of a message whose content is a string or a list of parts. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: { text?: unknown }) => (typeof part.text === 'string' ? part.text : '')).join('');
}

/** The last message of the user in a list of messages. */
export function lastUserMessage(messages: unknown): Record<string, unknown> | undefined {
  if (!Array.isArray(messages)) return undefined;
  return messages.findLast((message: { role?: unknown }) => message.role === 'user') as
    | Record<string, unknown>
    | undefined;
}
