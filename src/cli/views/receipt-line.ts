import type { Receipt } from '../../client/receipt.ts';
import type { Verdict } from '../../outcome/exits.ts';
import { formatUsd } from '../../spending/usd.ts';
import type { Output } from '../../terminal/output.ts';
import { ours, type OwnText, styled } from '../../terminal/own-text.ts';

export interface ReceiptFacts {
  receipt: Receipt;
  conversationId: string | null;
  verdict?: Verdict | null;
  /** The file that the turn is kept in, where that is worth a word. */
  keptIn?: string | null;
  /** What of the reply was taken, and the rest left out. */
  note?: string | null;
}

/**
 * One dim line that says who served a reply and what it cost, and first, in red, why it is not complete. What nobody
 * knows is left out, never shown as 0.
 */
export function receiptLine(facts: ReceiptFacts, output: Pick<Output, 'isStyled'> = { isStyled: false }): OwnText {
  const { verdict = null } = facts;
  const line = styled(output, 'dim', partsOf(facts).join(' · '));
  return verdict === null || verdict === 'complete'
    ? line
    : ours`${styled(output, 'red', verdict.replaceAll('_', ' '))}${styled(output, 'dim', ' · ')}${line}`;
}

function partsOf({ receipt, conversationId, verdict = null, keptIn = null, note = null }: ReceiptFacts): string[] {
  const { modelRequested, modelServed, inputTokens, outputTokens, cachedInputTokens, reasoningTokens } = receipt;
  const parts: (string | null)[] = [
    modelServed !== null && modelServed !== modelRequested ? `${modelRequested} → ${modelServed}` : modelRequested,
    tokens(inputTokens, 'in', cachedInputTokens, 'cached'),
    tokens(outputTokens, 'out', reasoningTokens, 'reasoning'),
    receipt.costUsd === null ? null : `${formatUsd(receipt.costUsd)} (${receipt.costSource})`,
    receipt.ttftMs === null ? null : `first token ${seconds(receipt.ttftMs)}`,
    `${seconds(receipt.durationMs)} in all`,
    rate(receipt),
    count(receipt.retries, 'retry', 'retries'),
    count(receipt.attemptedRetries, 'retry by the proxy', 'retries by the proxy'),
    count(receipt.attemptedFallbacks, 'fallback', 'fallbacks'),
    receipt.isCacheHit === true ? 'from the cache' : null,
    guardrails(receipt, verdict),
    note,
    conversationId === null ? null : `conversation ${conversationId}`,
    keptIn === null ? null : `kept in ${keptIn}`,
  ];
  return parts.filter((part) => part !== null);
}

function tokens(total: number | null, word: string, part: number | null, partWord: string): string | null {
  if (total === null) return null;
  const all = `${total} ${total === 1 ? 'token' : 'tokens'} ${word}`;
  return part === null || part === 0 ? all : `${all} (${part} ${partWord})`;
}

function rate({ outputTokens, ttftMs, durationMs }: Receipt): string | null {
  if (outputTokens === null || ttftMs === null || durationMs - ttftMs < 50) return null;
  return `${Math.round(outputTokens / ((durationMs - ttftMs) / 1000))} tokens/s`;
}

function count(value: number | null, one: string, many: string): string | null {
  return value === null || value === 0 ? null : `${value} ${value === 1 ? one : many}`;
}

/** A guardrail that let a reply through has passed or masked what it saw; LiteLLM does not say which. */
function guardrails({ guardrails: names, maskedPassages }: Receipt, verdict: Verdict | null): string | null {
  if (names.length === 0) return null;
  const word = `${names.length === 1 ? 'guardrail' : 'guardrails'} ${names.join(', ')}`;
  if (maskedPassages !== null) return `${word} (masked ${maskedPassages})`;
  return verdict === 'complete' || verdict === 'length' ? `${word} (passed, or masked)` : word;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(milliseconds < 995 ? 2 : 1)} s`;
}
