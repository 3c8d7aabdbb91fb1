// The public API of the library: explicit names, no logic. __tests__/architecture.test.ts holds this list.

export { LiteLLMClient } from './client/client.ts';
export type {
  CallOptions,
  ClientOptions,
  KeyInfo,
  ModelEntry,
  ModelInfo,
  RequestInput,
  RequestPreview,
  TokenCount,
} from './client/client.ts';
export { CompletionStream } from './client/reply/completion-stream.ts';
export type { ReplyTap, ResponseHead, StreamResult } from './client/reply/completion-stream.ts';
export type { Receipt } from './client/receipt.ts';
export type { RetryNotice } from './client/reply/retry.ts';

export { CompletionBuilder } from './protocol/fold/completion-builder.ts';
export { SseDecoder } from './protocol/sse.ts';
export type { SseDecoderOptions, SseEvent } from './protocol/sse.ts';
export type { StreamEnd } from './protocol/verdict.ts';
export type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatMessage,
  ChatRequest,
  ChunkChoice,
  CompletionChoice,
  CompletionMessage,
  CustomToolCall,
  Delta,
  FunctionToolCall,
  Json,
  Logprobs,
  ToolCall,
  ToolCallDelta,
  Usage,
} from './protocol/types.ts';

export { CllmError, DeadlineError, InterruptedError, ProxyError, UsageError, errorCodes } from './outcome/errors.ts';
export type { CllmErrorOptions, Deadline, ErrorCode } from './outcome/errors.ts';

export { exitCodeOf, exits, verdicts } from './outcome/exits.ts';
export type { ExitCode, ExitName, Verdict } from './outcome/exits.ts';

// Not exported on purpose: the journal, the history, settings and keys. The library reads no file and no environment.
