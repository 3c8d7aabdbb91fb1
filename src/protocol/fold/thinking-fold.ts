import { isJsonObject, textOrNull, type JsonObject } from '../json.ts';
import type { ReplyBudget } from './reply-budget.ts';
import { TextPieces } from './text-pieces.ts';

/**
 * `thinking_blocks`, folded. Text gathers in an open block until a signature closes it. LiteLLM 1.104 sends the whole
 * text again beside the signature: a signed fragment that repeats the open block restates it. A block that is never
 * signed is kept without the key `signature`, so that it is not sent back to a provider as if it were signed.
 */
export class ThinkingFold {
  readonly #budget: ReplyBudget;
  readonly #closed: JsonObject[] = [];
  #open: TextPieces | null = null;

  constructor(budget: ReplyBudget) {
    this.#budget = budget;
  }

  add(fragments: unknown[]): void {
    for (const fragment of fragments) {
      if (!isJsonObject(fragment)) continue;
      if (fragment['type'] === 'redacted_thinking') {
        this.#addRedacted(fragment);
      } else {
        this.#addThinking(fragment);
      }
    }
  }

  build(): JsonObject[] {
    const blocks = this.#closed.map((block) => ({ ...block }));
    const open = this.#openText();
    if (open !== '') blocks.push({ type: 'thinking', thinking: open });
    return blocks;
  }

  #addThinking(fragment: JsonObject): void {
    const text = textOrNull(fragment['thinking']);
    const signature = textOrNull(fragment['signature']);
    if (signature === null) {
      if (text !== null) (this.#open ??= new TextPieces()).add(text);
      return;
    }
    const open = this.#openText();
    const isRestatement = text === null || text === open;
    this.#close({ type: 'thinking', thinking: isRestatement ? open : open + text, signature });
    this.#open = null;
  }

  #addRedacted(fragment: JsonObject): void {
    const open = this.#openText();
    if (open !== '') this.#close({ type: 'thinking', thinking: open });
    this.#open = null;
    const data = textOrNull(fragment['data']);
    if (data !== null) this.#close({ type: 'redacted_thinking', data });
  }

  #close(block: JsonObject): void {
    if (this.#budget.allowsValue(block)) this.#closed.push(block);
  }

  #openText(): string {
    return this.#open?.join() ?? '';
  }
}
