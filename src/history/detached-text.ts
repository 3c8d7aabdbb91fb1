import type crypto from 'node:crypto';
import { createRequire } from 'node:module';

/** What is shorter stays where it is: a row of its own would take as much. In characters of base64. */
const least = 4096;

/** A line feed stands in no JSON that cllm writes, so nothing that somebody sent can look like a reference. */
const reference = /\nsha256:([0-9a-f]{64})\n/g;

/** The text of a turn's messages with references in the place of attachments, and their bytes by digest. */
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
 * Puts the attachments back.
 *
 * @param base64Of The base64 of what has a digest; null when it is not there: then its reference stays, with which the
 *   text is no JSON.
 */
export function attach(text: string, base64Of: (digest: string) => string | null): string {
  if (!text.includes('\n')) return text;
  return text.replaceAll(reference, (whole, digest: string) => base64Of(digest) ?? whole);
}

/** The digests that a text refers to, each once. */
export function references(text: string): Set<string> {
  if (!text.includes('\n')) return new Set();
  return new Set(Array.from(text.matchAll(reference), ([, digest]) => digest as string));
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
