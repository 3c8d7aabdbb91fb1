import { AudioFold } from './audio-fold.ts';
import type { TextKey } from '../chunk-run.ts';
import type { ContentParts } from '../content-parts.ts';
import { partsOf, textIn } from '../delta-text.ts';
import { FinishFold } from './finish-fold.ts';
import { FunctionCallFold } from './function-call-fold.ts';
import { isJsonObject, textOrNull, type JsonObject } from '../json.ts';
import { LastMembers } from './last-members.ts';
import { MembersFold } from './members-fold.ts';
import { ProviderFieldsFold } from './provider-fields-fold.ts';
import type { ReplyBudget } from './reply-budget.ts';
import { TextPieces } from './text-pieces.ts';
import { ThinkingFold } from './thinking-fold.ts';
import { ToolCallsFold } from './tool-calls-fold.ts';
import type { CompletionChoice, CompletionMessage, Logprobs } from '../types.ts';

/** One choice's deltas, folded. What a field is made of comes into being with the field's first fragment. */
export class ChoiceFold {
  readonly #index: number;
  readonly #budget: ReplyBudget;
  #role = '';
  readonly finish = new FinishFold();
  #content: TextPieces | null = null;
  #refusal: TextPieces | null = null;
  #reasoning: TextPieces | null = null;
  #thinking: ThinkingFold | null = null;
  #toolCalls: ToolCallsFold | null = null;
  #functionCall: FunctionCallFold | null = null;
  #audio: AudioFold | null = null;
  #annotations: unknown[] | null = null;
  #images: unknown[] | null = null;
  #otherParts: unknown[] | null = null;
  #providerFields: ProviderFieldsFold | null = null;
  #members: MembersFold | null = null;
  #choiceMembers: LastMembers | null = null;
  #logprobs: { content: unknown[] | null; refusal: unknown[] | null } | null = null;
  /** Whether content came in the chunk that is being taken. */
  #isSaying = false;

  constructor(index: number, budget: ReplyBudget) {
    this.#index = index;
    this.#budget = budget;
  }

  add(choice: JsonObject): void {
    const { delta, finish_reason: finishReason, logprobs } = choice;
    this.#isSaying = false;
    if (isJsonObject(logprobs)) this.#addLogprobs(logprobs);
    if (isJsonObject(delta)) this.#addDelta(delta);
    if (typeof finishReason === 'string' && finishReason !== '') this.#finish(finishReason, choice);
  }

  build(): CompletionChoice {
    return {
      ...this.#choiceMembers?.build(),
      index: this.#index,
      message: this.#buildMessage(),
      finish_reason: this.finish.word,
      ...(this.#logprobs === null ? {} : { logprobs: this.#buildLogprobs() }),
    };
  }

  addText(key: TextKey, text: string): void {
    if (key === 'content') {
      if (text !== '') this.#say();
      (this.#content ??= new TextPieces()).add(text);
    } else {
      (this.#reasoning ??= new TextPieces()).add(text);
    }
  }

  /** What a whole message says beyond what the deltas said: as a delta. */
  unsaid(message: JsonObject): JsonObject {
    const entries = Object.entries(message).map(([key, value]) => [key, this.#unsaidOf(key, value)] as const);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  #say(): void {
    this.#isSaying = true;
    this.finish.say();
  }

  #finish(word: string, choice: JsonObject): void {
    const { delta } = choice;
    const hasThought = isJsonObject(delta) && hasReasoning(delta);
    this.finish.finish(word, this.#isSaying ? 'content' : hasThought ? 'reasoning' : 'nothing');
    // What a server has to say of a choice it says at its end, if not on every chunk.
    for (const key in choice) {
      if (!choiceKeys.has(key)) (this.#choiceMembers ??= new LastMembers(this.#budget)).set(key, choice[key]);
    }
  }

  #addDelta(delta: JsonObject): void {
    for (const key in delta) {
      const value = delta[key];
      if (typeof value === 'string') {
        this.#addString(key, value, delta);
      } else if (value !== null) {
        this.#addFragments(key, value, delta);
      }
    }
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
        // Some servers' name for the same; LiteLLM sends one of them, others send both (see textOfDelta).
        if (!textIn(delta['reasoning_content'])) this.addText('reasoning_content', text);
        break;
      case 'refusal':
        this.#addRefusal(text);
        break;
      default:
        if (text !== '' && !knownKeys.has(key)) this.#addMember(key, text);
    }
  }

  #addRefusal(text: string): void {
    if (text !== '') this.#say();
    (this.#refusal ??= new TextPieces()).add(text);
  }

  #addFragments(key: string, value: unknown, delta: JsonObject): void {
    switch (key) {
      case 'tool_calls':
        if (typeof value === 'object') this.#addCalls(value);
        break;
      case 'function_call':
        if (isJsonObject(value) && (this.#functionCall ??= new FunctionCallFold(this.#budget)).add(value)) this.#say();
        break;
      case 'audio':
        if (isJsonObject(value)) this.#addAudio(value);
        break;
      case 'provider_specific_fields':
        if (isJsonObject(value)) (this.#providerFields ??= new ProviderFieldsFold(this.#budget)).addOfMessage(value);
        break;
      case 'thinking_blocks':
        (this.#thinking ??= new ThinkingFold(this.#budget)).add(listOf(value));
        break;
      case 'annotations':
        this.#append((this.#annotations ??= []), listOf(value));
        break;
      case 'images':
        if (this.#append((this.#images ??= []), listOf(value))) this.#say();
        break;
      case 'content':
        this.#addParts(partsOf(value));
        break;
      case 'reasoning_content':
      case 'reasoning':
      case 'refusal':
        this.#addString(key, textIn(value) ?? '', delta);
        break;
      default:
        if (!knownKeys.has(key) && holdsSomething(value)) this.#addMember(key, value);
    }
  }

  #addCalls(value: unknown): void {
    if ((this.#toolCalls ??= new ToolCallsFold(this.#budget)).add(value)) this.#say();
  }

  #addAudio(audio: JsonObject): void {
    if ((this.#audio ??= new AudioFold(this.#budget)).add(audio)) this.#say();
  }

  #addParts(parts: ContentParts | null): void {
    if (parts === null) return;
    this.addText('content', parts.text);
    if (parts.reasoning !== '') this.addText('reasoning_content', parts.reasoning);
    if (parts.refusal !== '') this.#addRefusal(parts.refusal);
    if (parts.thinkingBlocks.length > 0) (this.#thinking ??= new ThinkingFold(this.#budget)).add(parts.thinkingBlocks);
    if (parts.toolCalls.length > 0) this.#addCalls(parts.toolCalls);
    if (parts.audio !== null) this.#addAudio(parts.audio);
    if (this.#append((this.#images ??= []), parts.images)) this.#say();
    this.#append((this.#otherParts ??= []), parts.others);
  }

  #addMember(key: string, value: unknown): void {
    (this.#members ??= new MembersFold(this.#budget)).add(key, value);
  }

  #addLogprobs({ content, refusal }: JsonObject): void {
    if (!Array.isArray(content) && !Array.isArray(refusal)) return;
    const logprobs = (this.#logprobs ??= { content: null, refusal: null });
    if (Array.isArray(content)) this.#append((logprobs.content ??= []), content.filter(isJsonObject));
    if (Array.isArray(refusal)) this.#append((logprobs.refusal ??= []), refusal.filter(isJsonObject));
  }

  /** Element by element: `push(...list)` puts a list of any length, the network's, on the stack. */
  #append(list: unknown[], more: unknown[]): boolean {
    let hasSome = false;
    for (const item of more) {
      if (item === null) continue;
      if (!this.#budget.allowsValue(item)) break;
      list.push(item);
      hasSome ||= holdsSomething(item);
    }
    return hasSome;
  }

  #unsaidOf(key: string, value: unknown): unknown {
    switch (key) {
      case 'content':
        return restOf(this.#content, value);
      case 'reasoning_content':
      case 'reasoning':
        return restOf(this.#reasoning, value);
      case 'refusal':
        return restOf(this.#refusal, value);
      case 'tool_calls':
        return Array.isArray(value) ? value.filter((call) => isJsonObject(call) && !this.#toolCalls?.has(call)) : value;
      case 'function_call':
        return this.#functionCall?.build() == null ? value : undefined;
      case 'audio':
        return this.#audio?.build() == null ? value : undefined;
      case 'images':
        return isEmpty(this.#images) ? value : undefined;
      case 'annotations':
        return isEmpty(this.#annotations) ? value : undefined;
      case 'thinking_blocks':
        return this.#thinking === null ? value : undefined;
      case 'provider_specific_fields':
        return this.#providerFields === null ? value : undefined;
      default:
        return this.#members?.has(key) === true ? undefined : value;
    }
  }

  #buildMessage(): CompletionMessage {
    const thinking = this.#thinking?.build() ?? [];
    const functionCall = this.#functionCall?.build() ?? null;
    const toolCalls = [...(this.#toolCalls?.build() ?? []), ...(this.#functionCall?.others() ?? [])];
    const audio = this.#audio?.build() ?? null;
    // A reply of nothing but calls has null content on the wire, any other without text an empty one.
    const hasCalls = this.#toolCalls !== null || this.#functionCall !== null;
    const message: CompletionMessage = {
      role: this.#role || 'assistant',
      content: this.#content?.join() ?? (hasCalls ? null : ''),
    };
    const providerFields = this.#buildProviderFields();
    // LiteLLM leaves the refusal of a reply that was not streamed in there.
    const refusal = this.#refusal?.join() ?? textOrNull(providerFields?.['refusal']);
    if (refusal !== null) message.refusal = refusal;
    if (this.#reasoning !== null) message.reasoning_content = this.#reasoning.join();
    if (thinking.length > 0) message.thinking_blocks = thinking;
    if (toolCalls.length > 0) message.tool_calls = toolCalls;
    if (functionCall !== null) message.function_call = functionCall;
    if (!isEmpty(this.#annotations)) message.annotations = [...this.#annotations];
    if (!isEmpty(this.#images)) message.images = [...this.#images];
    if (audio !== null) message.audio = audio;
    if (providerFields !== null) message.provider_specific_fields = providerFields;
    // Known members win; the others come after them, in the order of their coming.
    return this.#members === null ? message : { ...message, ...this.#members.build() };
  }

  #buildProviderFields(): JsonObject | null {
    const fields = this.#providerFields?.build() ?? null;
    if (isEmpty(this.#otherParts)) return fields;
    return { ...fields, content_parts: [...this.#otherParts] };
  }

  #buildLogprobs(): Logprobs {
    const { content = null, refusal = null } = this.#logprobs ?? {};
    return {
      ...(content === null ? {} : { content: [...content] }),
      ...(refusal === null ? {} : { refusal: [...refusal] }),
    };
  }
}

/** `message` grows beside the deltas of some servers; usage is the builder's. */
const choiceKeys: ReadonlySet<string> = new Set(['index', 'delta', 'finish_reason', 'logprobs', 'message', 'usage']);

/** What a rule of its own knows: of another kind than that it adds nothing. */
const knownKeys: ReadonlySet<string> = new Set([
  'role',
  'content',
  'refusal',
  'reasoning_content',
  'reasoning',
  'thinking_blocks',
  'tool_calls',
  'function_call',
  'annotations',
  'images',
  'audio',
  'provider_specific_fields',
]);

function hasReasoning({ reasoning_content: thought, reasoning, thinking_blocks: blocks }: JsonObject): boolean {
  return Boolean(textIn(thought) || textIn(reasoning)) || (Array.isArray(blocks) && blocks.length > 0);
}

/** A list; an object in its place is its only item. */
function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isJsonObject(value) ? [value] : [];
}

function isEmpty(list: unknown[] | null): list is null {
  return list === null || list.length === 0;
}

function holdsSomething(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return !isJsonObject(value) || Object.keys(value).length > 0;
}

/** What of a text was not said yet; undefined when all was, or when another text was said: that stays. */
function restOf(said: TextPieces | null, value: unknown): unknown {
  const before = said?.join() ?? '';
  if (before === '') return value;
  const text = textIn(value) ?? '';
  return text.startsWith(before) && text.length > before.length ? text.slice(before.length) : undefined;
}
