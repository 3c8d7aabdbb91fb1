import type { Key } from './line-editor.ts';

/** What a key types, if it types anything, and which key it was. */
export type Press = readonly [characters: string | undefined, key: Key];

const escape = '\u001b';
const pasteEnd = `${escape}[201~`;
/** A sequence that goes on for longer is none: nobody waits for its end for ever. */
const longestSequence = 4096;

/** Keys by the last letter of `CSI … A` and `SS3 A`. */
const byLetter: Readonly<Record<string, string>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  F: 'end',
  H: 'home',
  M: 'return',
};
/** Keys by the number of `CSI 3 ~`. */
const byNumber: Readonly<Record<string, string>> = {
  1: 'home',
  3: 'delete',
  4: 'end',
  7: 'home',
  8: 'end',
  200: 'paste-start',
};
/** Keys that have a code in `CSI 13 u`: their control characters, and the keypad in the private use area. */
const byCode: Readonly<Record<number, string>> = {
  8: 'backspace',
  9: 'tab',
  10: 'return',
  13: 'return',
  27: 'escape',
  127: 'backspace',
  57349: 'delete',
  57350: 'left',
  57351: 'right',
  57352: 'up',
  57353: 'down',
  57356: 'home',
  57357: 'end',
  57414: 'return',
  57417: 'left',
  57418: 'right',
  57419: 'up',
  57420: 'down',
  57423: 'home',
  57424: 'end',
  57426: 'delete',
};
/** What the keypad types: `0` to `9`, then its signs. */
const keypad = '0123456789./*-+';

/**
 * The keys in what a terminal sends, in all the ways that terminals send them: xterm's sequences, modifyOtherKeys
 * (`CSI 27;2;13~`), the protocol of kitty (`CSI 13;2u`, https://sw.kovidgoyal.net/kitty/keyboard-protocol/), and pastes
 * between marks, each of which is one press. A sequence that stands for no key types nothing.
 *
 * Own code: node:readline knows no sequence of three numbers and types the rest of one, and it takes a paste character by
 * character.
 */
export class KeyDecoder {
  #rest = '';
  #isPasting = false;

  /** Whether the terminal may still be sending the rest of a key. */
  get isWaiting(): boolean {
    return this.#rest !== '' && !this.#isPasting;
  }

  /** Whether it is in the middle of a key or of a paste. */
  get isReading(): boolean {
    return this.#rest !== '' || this.#isPasting;
  }

  decode(text: string): Press[] {
    let input = this.#rest + text;
    this.#rest = '';
    const presses: Press[] = [];
    while (input !== '') {
      const length = this.#isPasting ? this.#paste(input, presses) : this.#key(input, presses);
      if (length === 0) break;
      input = input.slice(length);
    }
    this.#rest = input;
    return presses;
  }

  /** Nothing more came: what waits is the Escape key, or half a sequence that means nothing. */
  flush(): Press[] {
    const isEscape = this.#rest === escape;
    if (!this.#isPasting) this.#rest = '';
    return isEscape ? [[undefined, { name: 'escape', sequence: escape }]] : [];
  }

  /** How much of the input was read; 0 when its end is still to come. */
  #paste(input: string, presses: Press[]): number {
    const end = input.indexOf(pasteEnd);
    if (end !== -1) {
      if (end > 0) presses.push([input.slice(0, end), { name: 'pasted' }]);
      presses.push([undefined, { name: 'paste-end' }]);
      this.#isPasting = false;
      return end + pasteEnd.length;
    }
    // The mark may be cut in the middle.
    let kept = Math.min(pasteEnd.length - 1, input.length);
    while (kept > 0 && !pasteEnd.startsWith(input.slice(input.length - kept))) kept -= 1;
    const length = input.length - kept;
    if (length > 0) presses.push([input.slice(0, length), { name: 'pasted' }]);
    return length;
  }

  #key(input: string, presses: Press[]): number {
    if (input[0] !== escape) return plainKey(input, presses);
    const isMeta = input[1] === escape;
    const begin = isMeta ? 1 : 0;
    const kind = input[begin + 1];
    if (kind === undefined) return 0;
    if (kind === '[') return this.#control(input, begin + 2, isMeta, presses);
    if (kind === 'O') {
      const letter = input[begin + 2];
      if (letter === undefined) return 0;
      const name = byLetter[letter];
      if (name !== undefined) presses.push([undefined, { name, meta: isMeta }]);
      return begin + 3;
    }
    // Answers of the terminal (DCS, OSC, PM, APC, SOS) end in ST or BEL.
    if (/[P\]^_X]/.test(kind) && !isMeta) {
      // oxlint-disable-next-line no-control-regex -- the ends of such sequences
      const end = /\u0007|\u001b\\|\u009c/.exec(input);
      if (end !== null) return end.index + end[0].length;
      if (input.length < longestSequence && input.length > 2) return 0;
      if (input.length === 2) return 0;
    }
    if (isMeta) {
      presses.push([undefined, { name: 'escape', sequence: escape }]);
      return 1;
    }
    // Escape before a key is Alt with it.
    const alt: Press[] = [];
    const length = plainKey(characterOf(input.slice(1)), alt);
    for (const [characters, key] of alt) presses.push([characters, { ...key, meta: true }]);
    return 1 + length;
  }

  #control(input: string, from: number, isMeta: boolean, presses: Press[]): number {
    // The console of Linux sends its function keys with a second bracket.
    if (input[from] === '[') return input.length > from + 1 ? from + 2 : 0;
    // oxlint-disable-next-line no-control-regex -- parameters, intermediates and the last byte, by ECMA-48
    const [whole, parameters = '', last] = /^([\u0020-\u003f]*)([\u0040-\u007e])?/.exec(input.slice(from)) ?? [''];
    const length = from + whole.length;
    if (last === undefined) {
      if (length === input.length && whole.length < longestSequence) return 0;
      // Something else came in the middle: that is a key, and this is none.
      return length;
    }
    const press = controlKey(parameters, last);
    if (press === null) return length;
    const [characters, key] = press;
    if (key.name === 'paste-start') this.#isPasting = true;
    presses.push([characters, isMeta ? { ...key, meta: true } : key]);
    return length;
  }
}

/**
 * Several lines that were read at once while nobody waited for them: nobody types so, a terminal that marks no pastes has
 * sent one. Null for what was typed.
 */
export function unmarkedPaste(text: string): Press[] | null {
  if (text.includes(escape) || !/[\r\n][^\r\n]/.test(text)) return null;
  return [
    [undefined, { name: 'paste-start' }],
    [text.replace(/[\r\n]+$/, ''), { name: 'pasted' }],
    [undefined, { name: 'paste-end' }],
  ];
}

/** The key of `CSI parameters last`; null for what is no key: a mouse, a focus, an answer, a key's release. */
function controlKey(parameters: string, last: string): Press | null {
  if (/[^\d;:]/.test(parameters)) return null;
  const fields = parameters.split(';');
  const [code = '', modifiers = '', third = ''] = fields;
  if (last === 'u') return codeKey(Number(code.split(':')[0]), modifiers, third);
  if (last === '~') {
    if (code === '27' && third !== '') return codeKey(Number(third), modifiers, '');
    const name = byNumber[code];
    return name === undefined ? null : named(name, modifiers);
  }
  if (last === 'Z') return [undefined, { name: 'tab', shift: true }];
  const name = byLetter[last];
  return name === undefined || last === 'M' ? null : named(name, modifiers);
}

function named(name: string, modifiers: string): Press | null {
  const held = heldOf(modifiers);
  return held === null ? null : [undefined, { name, ...held }];
}

/** A key by its code point; `text` are the code points that it types, where the terminal says so. */
function codeKey(code: number, modifiers: string, text: string): Press | null {
  const held = heldOf(modifiers);
  if (held === null || !(code > 0) || code > 0x10ffff) return null;
  const name = Object.hasOwn(byCode, code) ? byCode[code] : undefined;
  if (name !== undefined) return [undefined, { name, ...held }];
  const typed =
    text !== ''
      ? text.split(':').map((each) => codeText(Number(each)))
      : [code >= 57399 && code <= 57413 ? (keypad[code - 57399] ?? '') : codeText(code)];
  let characters = typed.join('');
  if (characters === '') return null;
  if (held.shift && text === '') characters = characters.toUpperCase();
  const isTyped = !held.ctrl && !held.meta;
  return [isTyped ? characters : undefined, { name: characters.toLowerCase(), ...held }];
}

/** Control characters and the keys of the private use area (modifiers alone, volume, function keys) type nothing. */
function codeText(code: number): string {
  const isText = code >= 0x20 && code !== 0x7f && !(code >= 0x80 && code < 0xa0) && code <= 0x10ffff;
  return isText && !(code >= 0xd800 && code <= 0xf8ff) ? String.fromCodePoint(code) : '';
}

/** One more than the bits of Shift, Alt, Ctrl, Super, …; after a colon what happened. Null for the release of a key. */
function heldOf(modifiers: string): { shift: boolean; meta: boolean; ctrl: boolean } | null {
  const [value = '', event] = modifiers.split(':');
  if (event === '3') return null;
  const bits = Math.max(0, (Number(value) || 1) - 1);
  return { shift: (bits & 1) !== 0, meta: (bits & 2) !== 0 || (bits & 32) !== 0, ctrl: (bits & 4) !== 0 };
}

/** The text up to the next control character is one press; a control character is a key. */
function plainKey(input: string, presses: Press[]): number {
  // oxlint-disable-next-line no-control-regex -- control characters are keys
  const text = /^[^\u0000-\u001f\u007f]+/.exec(input)?.[0];
  if (text !== undefined) {
    presses.push([text, { name: text }]);
    return text.length;
  }
  const code = input.charCodeAt(0);
  const sequence = input[0] as string;
  if (code === 0x0d) presses.push([sequence, { name: 'return', sequence }]);
  else if (code === 0x0a) presses.push([sequence, { name: 'enter', sequence }]);
  else if (code === 0x09) presses.push([sequence, { name: 'tab', sequence }]);
  else if (code === 0x08 || code === 0x7f) presses.push([sequence, { name: 'backspace', sequence }]);
  else if (code > 0 && code <= 26)
    presses.push([undefined, { name: String.fromCharCode(code + 96), ctrl: true, sequence }]);
  return 1;
}

function characterOf(text: string): string {
  const code = text.codePointAt(0);
  return code === undefined ? '' : String.fromCodePoint(code);
}
