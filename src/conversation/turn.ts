import type { ReplyTap, RetryNotice } from '../client/reply/completion-stream.ts';
import type { Receipt } from '../client/receipt.ts';
import type { CllmError } from '../outcome/errors.ts';
import type { History, TurnTemplate } from '../history/history.ts';
import type { Journal } from '../journal/journal.ts';
import type { Verdict } from '../outcome/exits.ts';
import type { Arrival } from '../protocol/arrival.ts';
import type { ChatCompletion, ChatMessage, RequestBody } from '../protocol/types.ts';

/** Where turns are kept. Null parts keep nothing: `--ephemeral`, or a history that could not be opened. */
export interface Store {
  history: History | null;
  journal: Journal | null;
  /** Why there is no history although one is wanted; else null. */
  problem: CllmError | null;
}

/** The conversation that a turn belongs to. */
export interface ConversationState {
  /** Null until its first turn is committed, and for ever without a history. */
  id: string | null;
  name: string | null;
  system: string | null;
  /** The system prompt is another one than the history has: the next prompt's commit keeps it. */
  hasNewSystem: boolean;
  /** Whom the last prompt was for; null where there was none. */
  model: string | null;
  /** Its turns are context, but no turn is added. */
  isReadOnly: boolean;
}

/** Told of a turn as it happens; each call is awaited, which carries a slow reader's pace up to the socket. */
export interface TurnObserver {
  /** The prompt is committed; the request comes next. */
  begin?(facts: { conversationId: string | null; model: string; partialReplies: number }): Promise<void> | void;
  retry?(retry: RetryNotice): void;
  /** What one read brought, journaled already. */
  arrival?(arrival: Arrival): Promise<void> | void;
}

export interface TurnRequest {
  /** What this turn adds to the conversation. */
  messages: ChatMessage[];
  /** The other fields of the request body. */
  body: RequestBody;
  signal?: AbortSignal;
  observer?: TurnObserver;
  /** Further takers of the bytes, `--record` say. */
  taps?: ReplyTap[];
  /** What the proxy groups calls by. Default: the conversation, or one of its own where none is kept. */
  sessionId?: string;
  /**
   * The turn whose calls the first messages answer, by its id: what another process added to the conversation since then is
   * no part of the context. Default: all turns are.
   */
  answers?: string | null;
  /** What the prompt was made from; null, as by default, for one of its own. */
  template?: TurnTemplate | null;
}

export interface TurnResult {
  conversationId: string | null;
  /** Its place in the history; null, or absent, for a turn that has none. */
  turnId?: string | null;
  completion: ChatCompletion | null;
  verdict: Verdict | null;
  receipt: Receipt | null;
  /** With tools: what this reply answers, beside what a history holds: the prompt, and the calls and answers since. */
  asked?: readonly ChatMessage[];
  /**
   * With tools: the requests that it took, the last of them this reply's own. The first is that of an earlier run where this
   * one went on from its calls: it has what became of them, and nothing else.
   */
  steps?: readonly Step[];
  /** How the stream failed; null when it is complete. */
  error: CllmError | null;
  /** What kept the turn from being saved; null when it was saved, or nobody asked for that. */
  unsaved: CllmError | null;
}

/** One request to the model, and what became of the calls of its reply. */
export interface Step {
  completion: ChatCompletion | null;
  verdict: Verdict | null;
  receipt: Receipt | null;
  calls: readonly CallRecord[];
  /** Its reply was asked for again, in another form: nothing of it is shown as the answer. */
  isRejected?: true;
}

/** What was decided on a call, and what it came to. */
export interface CallRecord {
  name: string;
  id: string;
  input: string;
  /** `needed`: no rule allows it, and nobody could be asked; `caller`: whoever defined the tool answers it. */
  decision: 'allowed' | 'refused' | 'needed' | 'caller' | 'failed';
  /** Who decided; null for nobody. `conversation`: a person who allowed it for all of it. */
  by: 'rule' | 'person' | 'conversation' | 'caller' | null;
  /** The rule that decided, as it was written; null where none did. */
  rule: string | null;
  /** Null until there is a result. */
  result: { text: string; isError: boolean; durationMs: number | null } | null;
}
