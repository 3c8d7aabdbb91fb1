/** A passage of a prompt that is at least this long is a quotation, not a coincidence. */
const shortestQuotation = 16;
const shortestPrompt = 8;

/** So many characters of all prompts together are looked through, the latest first: 0.2 s of work at the most. */
const longestPrompts = 32 * 1024 * 1024;

/**
 * Slots for each piece that is sought, so that few places of a prompt look alike by chance; in all at least and at most
 * (512 KiB). The headers of every reply are looked through, and most prompts are short: a table of full size for each would
 * be half of what an item of a batch costs.
 */
const slotsForEach = 32;
const fewestSlots = 1 << 10;
const mostSlots = 1 << 18;
const base = 0x01_00_01_93;
/** What the first of sixteen characters has been multiplied by when it leaves. */
const leaving = Array.from({ length: shortestQuotation - 1 }).reduce<number>((power) => Math.imul(power, base), 1);

/**
 * The texts without the passages of the prompts that they quote. Each prompt is read once, whatever the texts are: the
 * sixteen-letter pieces of the texts are looked for by a rolling sum (Rabin and Karp), and each of them is found once.
 */
export function withoutQuotations(texts: readonly string[], prompts: readonly string[]): string[] {
  const short = new Set<string>();
  const search = new QuotationSearch(texts);
  let left = longestPrompts;
  for (const prompt of prompts.toReversed()) {
    const trimmed = prompt.length > shortestQuotation * 64 ? prompt : prompt.trim();
    if (trimmed.length > shortestQuotation) {
      search.lookThrough(prompt, Math.min(prompt.length, left));
      left -= Math.min(prompt.length, left);
    } else if (trimmed.length >= shortestPrompt && short.size < 10_000) {
      short.add(trimmed);
    }
  }
  return search.masked().map((text) => withoutWords(text, short));
}

/** Words of eight to sixteen letters: each piece of the text of such a length is looked up, for there may be many words. */
function withoutWords(text: string, words: ReadonlySet<string>): string {
  if (words.size === 0 || text.length < shortestPrompt) return text;
  let safe = '';
  let index = 0;
  while (index < text.length) {
    let length = Math.min(shortestQuotation, text.length - index);
    while (length >= shortestPrompt && !words.has(text.slice(index, index + length))) length -= 1;
    const isFound = length >= shortestPrompt;
    safe += isFound ? '…' : text[index];
    index += isFound ? length : 1;
  }
  return safe;
}

class QuotationSearch {
  readonly #texts: readonly string[];
  /** The pieces that no prompt had so far, and those that one had. */
  readonly #sought = new Set<string>();
  readonly #found = new Set<string>();
  /** How many pieces are sought under each sum: most places of a prompt are passed over by a look at it. */
  readonly #counts: Uint16Array;

  constructor(texts: readonly string[]) {
    this.#texts = texts;
    const pieces = texts.reduce((sum, { length }) => sum + length, 0);
    let slots = fewestSlots;
    while (slots < mostSlots && slots < pieces * slotsForEach) slots *= 2;
    this.#counts = new Uint16Array(slots);
    for (const text of texts) {
      for (let at = 0; at + shortestQuotation <= text.length; at += 1) {
        const piece = text.slice(at, at + shortestQuotation);
        if (this.#sought.has(piece)) continue;
        this.#sought.add(piece);
        const slot = slotOf(sumOf(piece), slots);
        this.#counts[slot] = Math.min(0xff_ff, (this.#counts[slot] ?? 0) + 1);
      }
    }
  }

  lookThrough(prompt: string, length: number): void {
    if (this.#sought.size === 0 || length < shortestQuotation) return;
    const counts = this.#counts;
    const slots = counts.length;
    let sum = sumOf(prompt);
    for (let end = shortestQuotation; ; end += 1) {
      const slot = slotOf(sum, slots);
      if (counts[slot] !== 0) this.#check(prompt.slice(end - shortestQuotation, end), slot);
      if (end >= length) return;
      const without = (sum - Math.imul(prompt.charCodeAt(end - shortestQuotation), leaving)) | 0;
      sum = (Math.imul(without, base) + prompt.charCodeAt(end)) | 0;
    }
  }

  /** A piece that is found is sought no more: a prompt of one letter has it a million times. */
  #check(piece: string, slot: number): void {
    if (!this.#sought.delete(piece)) return;
    this.#found.add(piece);
    this.#counts[slot] = (this.#counts[slot] ?? 1) - 1;
  }

  masked(): string[] {
    return this.#found.size === 0 ? [...this.#texts] : this.#texts.map((text) => this.#maskedText(text));
  }

  #maskedText(text: string): string {
    let safe = '';
    let quotedTo = 0;
    for (let at = 0; at < text.length; at += 1) {
      if (at + shortestQuotation <= text.length && this.#found.has(text.slice(at, at + shortestQuotation))) {
        if (at >= quotedTo) safe += '…';
        quotedTo = at + shortestQuotation;
      }
      if (at >= quotedTo) safe += text[at];
    }
    return safe;
  }
}

function sumOf(text: string): number {
  let sum = 0;
  for (let at = 0; at < shortestQuotation; at += 1) sum = (Math.imul(sum, base) + text.charCodeAt(at)) | 0;
  return sum;
}

/** @param slots a power of two */
function slotOf(sum: number, slots: number): number {
  return (sum ^ (sum >>> 15)) & (slots - 1);
}
