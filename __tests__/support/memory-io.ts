import { type Input, type InputKind, type Io, soleReader } from '../../src/cli/io.ts';
import type { Output } from '../../src/terminal/output.ts';
import { OutgoingText } from '../../src/terminal/outgoing-text.ts';
import { KnownSecrets } from '../../src/cli/process/known-secrets.ts';

export interface MemoryOutput extends Output {
  text: string;
  isClosed: boolean;
  failure: Error | null;
}

export interface MemoryIoOptions {
  stdin?: { kind: InputKind; pieces?: readonly (string | Uint8Array)[]; isSilent?: boolean };
  env?: Record<string, string | undefined>;
  cwd?: string;
  isTTY?: boolean;
}

export interface MemoryIo extends Io {
  readonly stdout: MemoryOutput;
  readonly stderr: MemoryOutput;
  readonly stdin: Omit<Input, 'reader'> & { isOpened: boolean; reader: string | null };
  /** What a signal does. */
  abort(reason: Error): void;
}

/** An Io whose streams are strings. */
export function memoryIo(options: MemoryIoOptions = {}): MemoryIo {
  const controller = new AbortController();
  let time = 0;
  const secrets = new KnownSecrets(options.env ?? {});
  return {
    secrets,
    stdin: memoryInput(options.stdin ?? { kind: 'none' }),
    stdout: memoryOutput(options.isTTY ?? false, false, secrets.masked),
    stderr: memoryOutput(options.isTTY ?? false, true, secrets.masked),
    env: options.env ?? {},
    cwd: options.cwd ?? '/nowhere',
    homeDirectory: '/nowhere',
    pid: 1,
    uid: null,
    platform: 'linux',
    nodeVersion: process.version,
    kill: () => true,
    signal: controller.signal,
    hasTornArguments: () => false,
    hold: () => () => {},
    suspend: () => {},
    watchInterrupts: () => undefined,
    abort: (reason) => controller.abort(reason),
    now: () => (time += 1),
  };
}

function memoryOutput(isTTY: boolean, isForPeople: boolean, masked: (text: string) => string): MemoryOutput {
  const outgoing = new OutgoingText({ isTTY, isForPeople });
  return {
    masked,
    isTTY,
    columns: 80,
    isStyled: false,
    reflows: true,
    isClosed: false,
    failure: null,
    text: '',
    write(text) {
      this.text += outgoing.write(text);
    },
    stream() {
      throw new Error('a memory has no stream');
    },
    async flush() {
      this.text += outgoing.end();
    },
  };
}

/** Gives its pieces, then ends; a silent one gives nothing and ends when it is closed. */
function memoryInput({
  kind,
  pieces = [],
  isSilent = false,
}: NonNullable<MemoryIoOptions['stdin']>): MemoryIo['stdin'] {
  let close = (): void => {};
  const closed = new Promise<void>((resolve) => (close = resolve));
  return {
    kind,
    reader: null,
    claim(reader) {
      this.reader = soleReader(this.reader, reader);
    },
    isNamed: () => false,
    isOpened: false,
    async *bytes() {
      this.isOpened = true;
      for (const piece of pieces) yield Buffer.from(piece);
      if (isSilent) await closed;
    },
    stream() {
      throw new Error('a memory has no stream');
    },
    close: () => close(),
  };
}
