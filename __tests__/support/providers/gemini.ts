import type { Situation } from './situation.ts';
import { lastUserMessage, textOf, type Frame, type WireProtocol, type WireRequest } from './wire.ts';

const finishReasons = { stop: 'STOP', length: 'MAX_TOKENS', tools: 'STOP', filter: 'SAFETY' };
const errorStatuses: Record<number, string> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  429: 'RESOURCE_EXHAUSTED',
  503: 'UNAVAILABLE',
};

type Part = Record<string, unknown>;

/** Gemini counts thoughts beside the candidates' tokens; OpenAI's words include them. */
function usage({ usage: counts }: Situation): Record<string, number> {
  const input = counts.input + counts.cacheRead + counts.cacheWrite;
  return {
    promptTokenCount: input,
    candidatesTokenCount: counts.output - counts.reasoning,
    totalTokenCount: input + counts.output,
    ...(counts.cacheRead === 0 ? {} : { cachedContentTokenCount: counts.cacheRead }),
    ...(counts.reasoning === 0 ? {} : { thoughtsTokenCount: counts.reasoning }),
  };
}

/** The parts as a stream sends them, one a frame: calls always come whole. */
function streamedParts(situation: Situation): Part[] {
  const signature = situation.thinking.find((block) => block.signature !== null)?.signature ?? null;
  const text = [...(situation.texts[0] ?? []), ...situation.refusal];
  return [
    ...situation.thinking.flatMap((block) => block.text.map((piece) => ({ text: piece, thought: true }))),
    ...text.map((piece, index) => ({
      text: piece,
      ...(signature !== null && index === 0 ? { thoughtSignature: signature } : {}),
    })),
    ...situation.toolCalls.map((call, index) => ({
      functionCall: { name: call.name, args: JSON.parse(call.arguments.join('') || '{}') as unknown },
      ...(index === 0 ? { thoughtSignature: 'dGhvdWdodA==' } : {}),
    })),
  ];
}

/** The parts of a body: neighbouring texts of a kind are one. */
function wholeParts(situation: Situation): Part[] {
  const whole: Part[] = [];
  for (const part of streamedParts(situation)) {
    const last = whole.at(-1);
    if (typeof part['text'] === 'string' && typeof last?.['text'] === 'string' && last['thought'] === part['thought']) {
      last['text'] += part['text'];
    } else {
      whole.push({ ...part });
    }
  }
  return whole;
}

function answer(request: WireRequest, candidate: Part, situation: Situation): Part {
  return {
    candidates: [{ ...candidate, index: 0 }],
    usageMetadata: usage(situation),
    modelVersion: request['model'] ?? 'gemini-fake',
    responseId: 'response-fake1',
  };
}

function frame(data: unknown): string {
  return `data: ${JSON.stringify(data)}\r\n\r\n`;
}

/** Google's generateContent and streamGenerateContent. */
export const gemini: WireProtocol = {
  name: 'gemini',
  prompt: (request) => textOf(lastUserMessage(request['contents'])?.['parts']),
  isStream: (_request, path) => path.includes(':streamGenerateContent'),

  stream(situation, request) {
    const frames: Frame[] = streamedParts(situation).map((part) => ({
      bytes: frame(answer(request, { content: { parts: [part], role: 'model' } }, situation)),
      isContent: true,
    }));
    const end = { content: { parts: [{ text: '' }], role: 'model' }, finishReason: finishReasons[situation.finish] };
    frames.push({ bytes: frame(answer(request, end, situation)), isContent: false });
    return frames;
  },

  endMark: '',

  body(situation, request) {
    const parts = wholeParts(situation);
    const content = parts.length === 0 ? { role: 'model' } : { parts, role: 'model' };
    return answer(request, { content, finishReason: finishReasons[situation.finish] }, situation);
  },

  error: (status) => ({
    error: { code: status, message: 'The request was refused', status: errorStatuses[status] ?? 'INTERNAL' },
  }),
  errorFrame: frame({ error: { code: 503, message: 'The model is overloaded', status: 'UNAVAILABLE' } }),
};
