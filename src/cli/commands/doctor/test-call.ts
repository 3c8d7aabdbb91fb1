import type { LiteLLMClient } from '../../../client/client.ts';
import type { StreamResult } from '../../../client/reply/completion-stream.ts';
import type { Json } from '../../../protocol/types.ts';
import { hasContent } from '../../../protocol/chunk.ts';
import { type Arrival, type ArrivalVerdict, judgeArrival } from './arrival.ts';

/** Long enough to see chunks come one by one, and a fraction of a cent with any model. */
const question = 'Count from 1 to 40 in digits, separated by spaces. Nothing else.';

export interface TestCall extends StreamResult {
  arrival: ArrivalVerdict;
  /** The head of the answer, allow-listed; empty when none came. */
  headers: Readonly<Record<string, string>>;
}

/** Asks the model for a small streamed reply, and watches how it arrives. */
export async function testCall(
  client: LiteLLMClient,
  model: string,
  params: Readonly<Record<string, Json>>,
  signal: AbortSignal,
): Promise<TestCall> {
  const startedAt = performance.now();
  let headers: Record<string, string> = {};
  let readAtMs = 0;
  const stream = client.stream(
    { max_tokens: 400, ...params, model, messages: question },
    {
      signal,
      taps: [
        {
          head: (head) => {
            headers = head.headers;
          },
          read: () => {
            readAtMs = performance.now() - startedAt;
          },
          end: () => {},
        },
      ],
    },
  );
  const arrivals: Arrival[] = [];
  for await (const chunks of stream.reads()) {
    const count = chunks.filter(hasContent).length;
    if (count > 0) arrivals.push({ atMs: readAtMs, chunks: count });
  }
  const result = await stream.result();
  const proxyMs = Number(headers['x-litellm-response-duration-ms'] ?? Number.NaN);
  return { ...result, headers, arrival: judgeArrival(arrivals, Number.isFinite(proxyMs) ? proxyMs : null) };
}
