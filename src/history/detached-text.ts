import type crypto from 'node:crypto';
import { createRequire } from 'node:module';

/** What is shorter stays where it is: a row of its own would take as much. In characters of base64. */
const least = 4096;

/**
 * A line feed stands in no JSON that cllm writes, so nothing that somebody sent can look like a reference: to bytes, whose
 * base64 stood there, or to a text.
 */
const reference = /\n(sha256|text):([0-9a-f]{64})\n/g;

/** A text with references in the place of what is kept apart, and the bytes of that by digest. */
export interface Detached {
  text: string;
  bytes: ReadonlyMap<string, Buffer>;
}

/**
 * Takes the attachments out of the JSON of messages: each string that is base64 as a whole, or a data URL of it. The text
 * is cut and never parsed, so that `attach` gives back the very same one. Null when there is none.
 */
export function detach(json: string): Detached | null {
  if (json.length < least) return null;
  const bytes = new Map<string, Buffer>();
  let text = '';
  let kept = 0;
  for (let quote = json.indexOf('"'); quote !== -1;) {
    const end = json.indexOf('"', quote + 1);
    if (end === -1) break;
    if (end - quote > least) {
      const start = base64Start(json, quote + 1, end);
      const found = base64Bytes(json, start, end);
      if (found !== null) {
        const digest = digestOf(found);
        bytes.set(digest, found);
        text += `${json.slice(kept, start)}\nsha256:${digest}\n`;
        kept = end;
      }
    }
    quote = end;
  }
  return bytes.size === 0 ? null : { text: text + json.slice(kept), bytes };
}

/**
 * Takes the list of tools out of the JSON of a request: each step of a loop has the same, and it may be longer than all
 * that was said. Null when there is none that is worth it.
 */
export function detachTools(json: string): Detached | null {
  if (json.length < least || !json.includes('"tools":')) return null;
  const tools = JSON.stringify((JSON.parse(json) as { tools?: unknown }).tools) ?? '';
  const start = json.indexOf(`"tools":${tools}`) + '"tools":'.length;
  if (tools.length < least || start < '"tools":'.length) return null;
  const found = Buffer.from(tools);
  // Half of a character would not come back.
  if (found.toString() !== tools) return null;
  const digest = digestOf(found);
  return {
    text: `${json.slice(0, start)}\ntext:${digest}\n${json.slice(start + tools.length)}`,
    bytes: new Map([[digest, found]]),
  };
}

/**
 * Puts back what was taken out.
 *
 * @param bytesOf What has a digest, as base64 or as text; null when it is not there: then its reference stays, with which
 *   the text is no JSON.
 */
export function attach(text: string, bytesOf: (digest: string, as: 'base64' | 'utf8') => string | null): string {
  if (!text.includes('\n')) return text;
  return text.replaceAll(
    reference,
    (whole, kind: string, digest: string) => bytesOf(digest, kind === 'text' ? 'utf8' : 'base64') ?? whole,
  );
}

/** The digests that a text refers to, each once. */
export function references(text: string): Set<string> {
  if (!text.includes('\n')) return new Set();
  return new Set(Array.from(text.matchAll(reference), ([, , digest]) => digest as string));
}

/** Loads the module when there is something to sum up: that takes some milliseconds, and most turns are text alone. */
export function digestOf(bytes: Uint8Array): string {
  const { hash } = createRequire(import.meta.url)('node:crypto') as typeof crypto;
  return hash('sha256', bytes);
}

/** Where the base64 begins in the string from `start` to `end`: in a data URL behind its comma. */
function base64Start(json: string, start: number, end: number): number {
  if (!json.startsWith('data:', start)) return start;
  const comma = json.indexOf(',', start);
  return comma !== -1 && comma < end && json.startsWith(';base64', comma - 7) ? comma + 1 : start;
}

/** Null for all that is not written as Node writes base64: it would not come back as it was. */
function base64Bytes(json: string, start: number, end: number): Buffer | null {
  const length = end - start;
  // Most long strings are texts, and not worth decoding.
  if (length < least || length % 4 !== 0 || !/^[\d+/A-Za-z]{64}$/.test(json.slice(start, start + 64))) return null;
  const base64 = json.slice(start, end);
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? bytes : null;
}
