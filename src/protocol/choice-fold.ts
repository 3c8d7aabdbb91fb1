import { AudioFold } from './audio-fold.ts';
import type { TextKey } from './chunk-run.ts';
import { isJsonObject, type JsonObject } from './json.ts';
import { ProviderFieldsFold } from './provider-fields-fold.ts';
import { TextPieces } from './text-pieces.ts';
import { ThinkingFold } from './thinking-fold.ts';
import { ToolCallsFold } from './tool-calls-fold.ts';
import type { CompletionChoice, CompletionMessage, Logprobs } from './types.ts';

/** One choice's deltas, folded. What a field is made of comes into being with the field's first fragment. */
export class ChoiceFold {
  readonly #index: number;
  #role = '';
  #finishReason: string | null = null;
  #content: TextPieces | null = null;
  #refusal: TextPieces | null = null;
  #reasoning: TextPieces | null = null;
  #thinking: ThinkingFold | null = null;
  #toolCalls: ToolCallsFold | null = null;
  #functionCall: FunctionCallFold | null = null;
  #audio: AudioFold | null = null;
  #annotations: unknown[] | null = null;
  #images: unknown[] | null = null;
  #providerFields: ProviderFieldsFold | null = null;
  #logprobs: { content: unknown[] | null; refusal: unknown[] | null } | null = null;

  constructor(index: number) {
    this.#index = index;
  }

  add(choice: JsonObject): void {
    const { delta, finish_reason: finishReason, logprobs } = choice;
    if (typeof finishReason === 'string' && finishReason !== '') this.#finishReason = finishReason;
    if (isJsonObject(logprobs)) this.#addLogprobs(logprobs);
    if (!isJsonObject(delta)) return;
    for (const key in delta) {
      const value = delta[key];
      if (typeof value === 'string') {
        this.#addString(key, value, delta);
      } else if (value !== null) {
        this.#addFragments(key, value);
      }
    }
  }

  build(): CompletionChoice {
    return {
      index: this.#index,
      message: this.#buildMessage(),
      finish_reason: this.#finishReason,
      ...(this.#logprobs === null ? {} : { logprobs: this.#buildLogprobs() }),
    };
  }

  addText(key: TextKey, text: string): void {
    if (key === 'content') (this.#content ??= new TextPieces()).add(text);
    else (this.#reasoning ??= new TextPieces()).add(text);
  }

  #addString(key: string, text: string, delta: JsonObject): void {
    switch (key) {
      case 'content':
      case 'reasoning_content':
        this.addText(key, text);
        break;
      case 'role':
        if (this.#role === '') this.#role = text;
        break;
      case 'reasoning':
        // Some servers' name for the same; LiteLLM sends one of them, others send both.
        if ((delta['reasoning_content'] ?? null) === null) (this.#reasoning ??= new TextPieces()).add(text);
        break;
      case 'refusal':
        (this.#refusal ??= new TextPieces()).add(text);
        break;
    }
  }

  #addFragments(key: string, value: unknown): void {
    if (Array.isArray(value)) {
      this.#addList(key, value);
    } else if (isJsonObject(value)) {
      this.#addObject(key, value);
    }
  }

  #addList(key: string, list: unknown[]): void {
    switch (key) {
      case 'tool_calls':
        (this.#toolCalls ??= new ToolCallsFold()).add(list);
        break;
      case 'thinking_blocks':
        (this.#thinking ??= new ThinkingFold()).add(list);
        break;
      case 'annotations':
        append((this.#annotations ??= []), list);
        break;
      case 'images':
        append((this.#images ??= []), list);
        break;
    }
  }

  #addObject(key: string, object: JsonObject): void {
    switch (key) {
      case 'function_call':
        (this.#functionCall ??= new FunctionCallFold()).add(object);
        break;
      case 'audio':
        (this.#audio ??= new AudioFold()).add(object);
        break;
      case 'provider_specific_fields':
        (this.#providerFields ??= new ProviderFieldsFold()).addOfMessage(object);
        break;
    }
  }

  #addLogprobs({ content, refusal }: JsonObject): void {
    if (Array.isArray(content)) append(((this.#logprobs ??= { content: null, refusal: null }).content ??= []), content);
    if (Array.isArray(refusal)) append(((this.#logprobs ??= { content: null, refusal: null }).refusal ??= []), refusal);
  }

  #buildMessage(): CompletionMessage {
    const thinking = this.#thinking?.build() ?? [];
    const toolCalls = this.#toolCalls?.build() ?? [];
    const providerFields = this.#providerFields?.build() ?? null;
    // A reply of nothing but calls has null content on the wire, any other without text an empty one.
    const hasCalls = this.#toolCalls !== null || this.#functionCall !== null;
    const message: CompletionMessage = {
      role: this.#role || 'assistant',
      content: this.#content?.join() ?? (hasCalls ? null : ''),
    };
    if (this.#refusal !== null) message.refusal = this.#refusal.join();
    if (this.#reasoning !== null) message.reasoning_content = this.#reasoning.join();
    if (thinking.length > 0) message.thinking_blocks = thinking;
    if (toolCalls.length > 0) message.tool_calls = toolCalls;
    if (this.#functionCall !== null) message.function_call = this.#functionCall.build();
    if (this.#annotations !== null && this.#annotations.length > 0) message.annotations = [...this.#annotations];
    if (this.#images !== null && this.#images.length > 0) message.images = [...this.#images];
    if (this.#audio !== null) message.audio = this.#audio.build();
    if (providerFields !== null) message.provider_specific_fields = providerFields;
    return message;
  }

  #buildLogprobs(): Logprobs {
    const { content = null, refusal = null } = this.#logprobs ?? {};
    return {
      ...(content === null ? {} : { content: [...content] }),
      ...(refusal === null ? {} : { refusal: [...refusal] }),
    };
  }
}

/** The legacy `function_call`. Some servers name the function in a later fragment than the first. */
class FunctionCallFold {
  #name: string | null = null;
  readonly #arguments = new TextPieces();

  add({ name, arguments: piece }: JsonObject): void {
    if (this.#name === null && typeof name === 'string' && name !== '') this.#name = name;
    if (typeof piece === 'string') this.#arguments.add(piece);
  }

  build(): { name: string | null; arguments: string } {
    return { name: this.#name, arguments: this.#arguments.join() };
  }
}

/** Element by element: `push(...list)` puts a list of any length, the network's, on the stack. */
function append(list: unknown[], more: unknown[]): void {
  for (const item of more) {
    if (item !== null) list.push(item);
  }
}
