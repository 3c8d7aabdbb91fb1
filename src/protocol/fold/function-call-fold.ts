import type { JsonObject } from '../json.ts';
import type { ReplyBudget } from './reply-budget.ts';
import { ToolCallsFold } from './tool-calls-fold.ts';
import type { ToolCall } from '../types.ts';

/**
 * The legacy `function_call`, folded by the rules of tool calls. Some servers name the function in a later fragment than
 * the first; the first name stays. There is room for one call: another one after it becomes a tool call, so that nothing
 * is glued and nothing lost.
 */
export class FunctionCallFold {
  readonly #calls: ToolCallsFold;

  constructor(budget: ReplyBudget) {
    this.#calls = new ToolCallsFold(budget);
  }

  /** @returns whether it changed anything */
  add(fragment: JsonObject): boolean {
    const open = this.#calls.calls().at(-1);
    const isNamed = open !== undefined && open.name !== null && !open.isWhole;
    return this.#calls.add([{ index: 0, function: isNamed ? { ...fragment, name: null } : fragment }]);
  }

  /** Null when there were only placeholders: neither a name nor arguments. */
  build(): { name: string | null; arguments: string } | null {
    return this.#calls.calls()[0]?.buildFunction() ?? null;
  }

  /** The calls after the first. */
  others(): ToolCall[] {
    return this.#calls
      .calls()
      .slice(1)
      .map((call) => call.build());
  }
}
