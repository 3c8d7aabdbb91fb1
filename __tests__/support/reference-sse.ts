/**
 * A second implementation of server-sent events, for comparison with src/protocol/sse.ts. It follows the text of the
 * standards step by step and cares for nothing else: the whole input is there, and speed does not matter.
 *
 * Sources: WHATWG HTML §9.2.5 "Parsing an event stream" and §9.2.6 "Interpreting an event stream";
 * WHATWG Encoding §8.1.1 "UTF-8 decoder" and §6 "UTF-8 decode".
 */
export interface ReferenceEvent {
  event: string;
  data: string;
}

export interface ReferenceResult {
  events: ReferenceEvent[];
  /** The block that the end of the input left open, as it would be dispatched; null when it had no data. */
  pending: ReferenceEvent | null;
}

export function referenceSse(bytes: Uint8Array): ReferenceResult {
  const events: ReferenceEvent[] = [];
  let dataBuffer = '';
  let eventTypeBuffer = '';

  // "Dispatch the event", of which steps 1 and 6 to 8 concern the last event ID and the task.
  function dispatch(): ReferenceEvent | null {
    const isEmpty = dataBuffer === '';
    // "If the data buffer's last character is a U+000A LINE FEED (LF) character, then remove the last character".
    const data = dataBuffer.endsWith('\n') ? dataBuffer.slice(0, -1) : dataBuffer;
    const event = eventTypeBuffer === '' ? 'message' : eventTypeBuffer;
    dataBuffer = '';
    eventTypeBuffer = '';
    return isEmpty ? null : { event, data };
  }

  // "Process the field".
  function processField(name: string, value: string): void {
    if (name === 'event') eventTypeBuffer = value;
    if (name === 'data') dataBuffer += `${value}\n`;
    // "id" and "retry" change nothing that is compared; "Otherwise: The field is ignored."
  }

  function processLine(line: string): void {
    if (line === '') {
      const event = dispatch();
      if (event !== null) events.push(event);
    } else if (line.startsWith(':')) {
      // "Ignore the line."
    } else if (line.includes(':')) {
      const colon = line.indexOf(':');
      const value = line.slice(colon + 1);
      processField(line.slice(0, colon), value.startsWith(' ') ? value.slice(1) : value);
    } else {
      processField(line, '');
    }
  }

  const { lines, rest } = splitLines(utf8Decode(bytes));
  for (const line of lines) processLine(line);
  // "Once the end of the file is reached, any pending data must be discarded." It is shown to the caller all the same.
  if (rest !== '') processLine(rest);
  return { events, pending: dispatch() };
}

/** "Lines must be separated by either a CRLF pair, a single LF or a single CR." What no line end closes is `rest`. */
function splitLines(text: string): { lines: string[]; rest: string } {
  const lines: string[] = [];
  let line = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '\r' || character === '\n') {
      lines.push(line);
      line = '';
      if (character === '\r' && text.charAt(at + 1) === '\n') at += 1;
    } else {
      line += character;
    }
  }
  return { lines, rest: line };
}

/** "UTF-8 decode": one leading byte order mark is removed, then the decoder runs with error mode "replacement". */
function utf8Decode(bytes: Uint8Array): string {
  const input = [...bytes];
  let position = input[0] === 0xef && input[1] === 0xbb && input[2] === 0xbf ? 3 : 0;
  let output = '';
  let codePoint = 0;
  let bytesSeen = 0;
  let bytesNeeded = 0;
  let lowerBoundary = 0x80;
  let upperBoundary = 0xbf;
  for (; position <= input.length; position += 1) {
    const byte = input[position];
    if (byte === undefined) {
      // "If byte is end-of-queue and UTF-8 bytes needed is not 0, then set it to 0 and return error."
      if (bytesNeeded !== 0) output += '\uFFFD';
      break;
    }
    if (bytesNeeded === 0) {
      if (byte <= 0x7f) {
        output += String.fromCodePoint(byte);
      } else if (byte >= 0xc2 && byte <= 0xdf) {
        bytesNeeded = 1;
        codePoint = byte & 0x1f;
      } else if (byte >= 0xe0 && byte <= 0xef) {
        if (byte === 0xe0) lowerBoundary = 0xa0;
        if (byte === 0xed) upperBoundary = 0x9f;
        bytesNeeded = 2;
        codePoint = byte & 0xf;
      } else if (byte >= 0xf0 && byte <= 0xf4) {
        if (byte === 0xf0) lowerBoundary = 0x90;
        if (byte === 0xf4) upperBoundary = 0x8f;
        bytesNeeded = 3;
        codePoint = byte & 0x7;
      } else {
        output += '\uFFFD';
      }
      continue;
    }
    if (byte < lowerBoundary || byte > upperBoundary) {
      // "Restore byte to ioQueue" and "return error".
      codePoint = 0;
      bytesNeeded = 0;
      bytesSeen = 0;
      lowerBoundary = 0x80;
      upperBoundary = 0xbf;
      output += '\uFFFD';
      position -= 1;
      continue;
    }
    lowerBoundary = 0x80;
    upperBoundary = 0xbf;
    codePoint = (codePoint << 6) | (byte & 0x3f);
    bytesSeen += 1;
    if (bytesSeen === bytesNeeded) {
      output += String.fromCodePoint(codePoint);
      codePoint = 0;
      bytesNeeded = 0;
      bytesSeen = 0;
    }
  }
  return output;
}
