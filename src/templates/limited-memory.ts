/** Bytes of a page, as WebAssembly counts memory. */
export const pageBytes = 65_536;

const headBytes = 8;
const memorySection = 5;

/**
 * The same WebAssembly module with a limit to its memory. A module that makes its memory by itself can be given none
 * otherwise, and `"x" * 10**9` in a template would take gigabytes before anybody could look at it.
 *
 * Source: WebAssembly core specification, binary format: a section is its id, its length and its content; a memory is a
 * flag (1 = with a maximum), its first and its most pages, all LEB128.
 */
export function withMostPages(code: Uint8Array, pages: number): Uint8Array {
  for (let at = headBytes; at < code.length;) {
    const { value: length, end: start } = leb(code, at + 1);
    if (code[at] === memorySection) {
      const first = leb(code, start + 2).value;
      const content = [1, 1, ...lebOf(first), ...lebOf(pages)];
      const section = [memorySection, ...lebOf(content.length), ...content];
      return Buffer.concat([code.subarray(0, at), Uint8Array.from(section), code.subarray(start + length)]);
    }
    at = start + length;
  }
  throw new Error('the module has no memory of its own');
}

function leb(code: Uint8Array, at: number): { value: number; end: number } {
  let value = 0;
  for (let shift = 0, end = at; ; shift += 7) {
    const byte = code[end++] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, end };
  }
}

function lebOf(value: number): number[] {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left];
    bytes.push((left % 128) + 128);
  }
}
