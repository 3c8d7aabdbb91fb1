import { styleCodes } from './style.ts';

/**
 * Text from a model, a proxy or a file must not drive the terminal (CWE-150): it could clear the screen, set the title,
 * write to the clipboard or hide what it says. On its way to a TTY every C0 control but newline and tab, DEL, every C1
 * control and every bidirectional override becomes a visible escape. A CR is kept only as half of CRLF, and a character
 * may be cut between two pieces, so a class keeps the last unit of a piece where the next one decides about it.
 */
export class TerminalSafe {
  #pending = '';

  /** The piece as it may be written. A CR, or half of a character, at its end waits for the next piece. */
  write(piece: string): string {
    const text = this.#pending === '' ? piece : this.#pending + piece;
    const last = text.charCodeAt(text.length - 1);
    if (last === 0x0d || (last >= 0xd800 && last <= 0xdbff)) {
      this.#pending = text.slice(-1);
      return escapeControls(text.slice(0, -1));
    }
    this.#pending = '';
    return escapeControls(text);
  }

  /** What still waits when there is no next piece. */
  end(): string {
    const rest = this.#pending;
    this.#pending = '';
    return escapeControls(rest);
  }
}

/** The whole of a text that is not a stream: a title, a model's name, an error message. */
export function terminalSafe(text: string): string {
  return escapeControls(text);
}

// DEL, C1, and the bidi embeddings, overrides, isolates and marks of UAX #9.
const hidden = '\\u007f-\\u009f\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069';
// C0 but \t and \n (and \r before \n).
const unsafe = new RegExp(`\\r(?!\\n)|[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f${hidden}]`, 'g');

function escapeControls(text: string): string {
  return text.replace(unsafe, visibleEscape);
}

export function visibleEscape(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

/**
 * The codes that cllm itself writes: its styles, the cursor up, down and right, home, erasing below and to the right, and
 * the modes of a paste and of a frame (DEC 2004 and 2026).
 */
const ownCodes = `\\[(?:(?:${[...new Set(styleCodes)].join('|')})m|\\d{0,4}[ABC]|[HJK]|2J|\\?20(?:04|26)[hl])`;
const notOwn = new RegExp(
  `\\u001b(?!${ownCodes})|[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001a\\u001c-\\u001f${hidden}]`,
  'g',
);

/** A text that a renderer made, held to the codes that cllm writes. */
export function onlyOwnCodes(text: string): string {
  return text.replace(notOwn, visibleEscape);
}

const hiddenInJson = new RegExp(`[${hidden}]`, 'g');

/**
 * JSON as it may be written anywhere: JSON itself escapes C0 alone, and a terminal obeys C1, DEL and bidi controls in it as
 * well. The same values to whoever parses it.
 */
export function safeJson(json: string): string {
  return json.replace(hiddenInJson, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A value as a line of JSON. */
export function jsonLine(value: unknown, indent?: number): string {
  return `${safeJson(JSON.stringify(value, null, indent))}\n`;
}
