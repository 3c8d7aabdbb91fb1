/**
 * Text from a model, a proxy or a file must not drive the terminal (CWE-150): it could clear the screen, set the title,
 * write to the clipboard or hide what it says. On its way to a TTY every C0 control but newline and tab, DEL, every C1
 * control and every bidirectional override becomes a visible escape. A CR is kept only as half of CRLF, so a class keeps
 * that one bit of state between pieces.
 */
export class TerminalSafe {
  #hasPendingReturn = false;

  /** The piece as it may be written. A CR at its end waits for the next piece. */
  write(piece: string): string {
    let text = this.#hasPendingReturn ? `\r${piece}` : piece;
    this.#hasPendingReturn = text.endsWith('\r');
    if (this.#hasPendingReturn) text = text.slice(0, -1);
    return escapeControls(text);
  }

  /** What still waits when there is no next piece. */
  end(): string {
    const rest = this.#hasPendingReturn ? '\r' : '';
    this.#hasPendingReturn = false;
    return escapeControls(rest);
  }
}

/** The whole of a text that is not a stream: a title, a model's name, an error message. */
export function terminalSafe(text: string): string {
  return escapeControls(text);
}

// C0 but \t and \n (and \r before \n), DEL, C1, and the bidi embeddings, overrides, isolates and marks of UAX #9.
const unsafe =
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  /\r(?!\n)|[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function escapeControls(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}
