import type { LiteLLMClient, RequestInput } from '../client/client.ts';
import { countInput, type InputCount, textBytes } from './input-count.ts';
import { costOf, type ModelFacts } from './model-facts.ts';
import { outputTokensOf } from './preview.ts';
import { Sample } from './sample.ts';

/** So many requests of a model are counted by the proxy; from them the others are computed, by their bytes. */
const mostCounted = 20;
const mostSampleBytes = 4 * 1024 * 1024;

/** A batch that names more of them is told of those that came first; the others are in the sums of lines alone. */
const mostModels = 50;

/** What the lines of one model would take together; null is what nobody knows. USD. */
export interface ModelSum {
  model: string;
  lines: number;
  input_tokens: number | null;
  input_tokens_estimated: boolean;
  input_tokens_note: string | null;
  /** Lines that were counted, the others being computed from them by their bytes. */
  counted_lines: number;
  /** The longest line, by its bytes. */
  longest: { line: number; input_tokens: number | null; context_share: number | null };
  max_input_tokens: number | null;
  /** Of all lines together; null where one of them has no bound. */
  max_output_tokens: number | null;
  cost_usd: { low: number; high: number | null } | null;
}

interface Group {
  lines: number;
  bytes: number;
  sample: Sample<{ request: RequestInput; bytes: number }>;
  longest: { line: number; bytes: number; request: RequestInput };
  /** What the lines ask for by themselves, and how many leave it to the model. */
  output: { asked: number; open: number };
}

/** Adds up what a batch would send, a line at a time, and holds a few of them. */
export class BatchPreview {
  readonly #groups = new Map<string, Group>();
  /** Lines of models past those that are looked at. */
  otherLines = 0;

  add(line: number, request: RequestInput): void {
    const bytes = textBytes(request);
    const asked = outputTokensOf(request, null);
    let group = this.#groups.get(request.model);
    if (group === undefined) {
      if (this.#groups.size >= mostModels) {
        this.otherLines += 1;
        return;
      }
      group = {
        lines: 0,
        bytes: 0,
        sample: new Sample(mostCounted, mostSampleBytes),
        longest: { line, bytes, request },
        output: { asked: 0, open: 0 },
      };
      this.#groups.set(request.model, group);
    }
    group.lines += 1;
    group.bytes += bytes;
    group.sample.add({ request, bytes }, heldBytes(request, bytes));
    if (bytes > group.longest.bytes) group.longest = { line, bytes, request };
    if (asked === null) group.output.open += typeof request['n'] === 'number' && request['n'] > 1 ? request['n'] : 1;
    else group.output.asked += asked;
  }

  /** Asks the proxy about the sample; one model after the other. */
  async sums(
    client: Pick<LiteLLMClient, 'countTokens'>,
    { facts, signal }: { facts: (model: string) => Promise<ModelFacts | null>; signal: AbortSignal },
  ): Promise<ModelSum[]> {
    const sums: ModelSum[] = [];
    for (const [model, group] of this.#groups)
      sums.push(await sumOf(model, group, await facts(model), { client, signal }));
    return sums;
  }
}

/** What a request takes in memory: files in it are no text, and large. */
function heldBytes({ messages }: RequestInput, bytes: number): number {
  if (typeof messages === 'string' || messages.every(({ content }) => typeof content === 'string')) return bytes;
  return JSON.stringify(messages).length;
}

async function sumOf(
  model: string,
  { lines, bytes, sample, longest, output }: Group,
  facts: ModelFacts | null,
  { client, signal }: { client: Pick<LiteLLMClient, 'countTokens'>; signal: AbortSignal },
): Promise<ModelSum> {
  const counts: (InputCount & { bytes: number })[] = [];
  for (const { request, bytes: size } of sample.items) {
    const count = await countInput(client, request, { facts, signal });
    counts.push({ ...count, bytes: size });
    // The next one would meet the same, and may wait as long for it.
    if (count.tokens === null) break;
  }
  const failed = counts.find(({ tokens }) => tokens === null) ?? null;
  const counted = counts.reduce((sum, { tokens }) => sum + (tokens ?? 0), 0);
  const countedBytes = counts.reduce((sum, { bytes: size }) => sum + size, 0);
  const isWhole = sample.isWhole;
  const tokens =
    failed !== null
      ? null
      : isWhole
        ? counted
        : Math.round(countedBytes === 0 ? (counted / counts.length) * lines : (counted / countedBytes) * bytes);
  const longestCount = failed === null ? await countInput(client, longest.request, { facts, signal }) : failed;
  const notes = [
    isWhole || failed !== null ? null : `${counts.length} of ${lines} lines were counted`,
    counts.find(({ why }) => why !== null)?.why ?? null,
  ].filter((note) => note !== null);
  const most = facts?.maxInputTokens ?? null;
  const outputMost =
    output.open === 0
      ? output.asked
      : facts?.maxOutputTokens == null
        ? null
        : output.asked + output.open * facts.maxOutputTokens;
  return {
    model,
    lines,
    input_tokens: tokens,
    input_tokens_estimated: tokens !== null && (!isWhole || counts.some(({ isGuess }) => isGuess)),
    input_tokens_note: notes.length === 0 ? null : notes.join('; '),
    counted_lines: failed === null ? counts.length : 0,
    longest: {
      line: longest.line,
      input_tokens: longestCount.tokens,
      context_share: longestCount.tokens === null || most === null ? null : longestCount.tokens / most,
    },
    max_input_tokens: most,
    max_output_tokens: outputMost,
    cost_usd: tokens === null ? null : batchCost(facts, { lines, tokens, outputMost }),
  };
}

/** Each line by itself decides whether it is a long prompt, and is taken for an average one. */
function batchCost(
  facts: ModelFacts | null,
  { lines, tokens, outputMost }: { lines: number; tokens: number; outputMost: number | null },
): ModelSum['cost_usd'] {
  const none = costOf(facts?.prices ?? null, tokens / lines, 0);
  if (none === null) return null;
  const all = outputMost === null ? null : costOf(facts?.prices ?? null, tokens / lines, outputMost / lines);
  return { low: none.low * lines, high: all === null ? null : all.high * lines };
}
