import { extent } from '../../../protocol/figures.ts';
/** One read of the socket that brought content. */
export interface Arrival {
  /** Milliseconds since the request was sent. */
  atMs: number;
  /** Chunks with content that it held. */
  chunks: number;
}

/** How the chunks of a streamed reply came. */
export interface ArrivalVerdict {
  /** `quick`: all was there so soon that nothing can have held it back for long; `few`: too few chunks to tell. */
  type: 'live' | 'quick' | 'few' | 'clumped';
  chunks: number;
  /** Moments at which something arrived. */
  pieces: number;
  /** Milliseconds to the first content. */
  firstMs: number;
  /** Between two pieces; null when there are fewer than two. */
  medianGapMs: number | null;
  longestGapMs: number | null;
  /** How long something on the way sat on content, as far as that can be told; 0 when it came live. */
  heldMs: number;
}

/** Reads within this time are one arrival: no model is that quick, and no network that even. */
const pieceMs = 20;
const fewestChunks = 8;
/** Less than this nobody sees; a buffer that matters holds a reply for seconds. */
const shortestHoldMs = 500;
const shortestGapMs = 200;

/**
 * Whether a reply came as it was made or was held back on the way. A buffering reverse proxy shows in two ways: all of it
 * at the end, or, when the reply is longer than its buffer, a few large pieces far apart.
 *
 * @param proxyMs how long the proxy says that it took to its first chunk; null when it does not say
 */
export function judgeArrival(arrivals: readonly Arrival[], proxyMs: number | null): ArrivalVerdict {
  const chunks = arrivals.reduce((sum, each) => sum + each.chunks, 0);
  const starts: number[] = [];
  for (const { atMs } of arrivals) {
    const last = starts.at(-1);
    if (last === undefined || atMs - last >= pieceMs) starts.push(atMs);
  }
  const gaps = starts.slice(1).map((start, at) => start - (starts[at] ?? 0));
  const firstMs = starts[0] ?? 0;
  const medianGapMs = median(gaps);
  const facts = {
    chunks,
    pieces: starts.length,
    firstMs,
    medianGapMs,
    longestGapMs: extent(gaps)?.[1] ?? null,
  };
  const live = { ...facts, type: 'live', heldMs: 0 } as const;
  if (chunks < fewestChunks) return { ...live, type: starts.length >= 3 ? 'live' : 'few' };
  const isAtOnce = starts.length <= 2;
  const isInClumps = !isAtOnce && chunks / starts.length >= fewestChunks && (medianGapMs ?? 0) >= shortestGapMs;
  if (!isAtOnce && !isInClumps) return live;
  const heldMs = isInClumps ? (medianGapMs ?? 0) : Math.max(0, firstMs - (proxyMs ?? 0));
  return heldMs < shortestHoldMs && !isInClumps ? { ...live, type: 'quick' } : { ...facts, type: 'clumped', heldMs };
}

function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}
