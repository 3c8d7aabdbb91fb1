import { type StreamParser, StringStream } from '@codemirror/streamparser';
import type { Paint, Style } from './style.ts';
import { terminalSafe } from './terminal-safe.ts';

type Grammar = StreamParser<unknown>;

type Clike = 'c' | 'cpp' | 'csharp' | 'dart' | 'java' | 'kotlin' | 'scala';
const clike = (name: Clike) => async () => (await import('@codemirror/legacy-modes/mode/clike'))[name];
const javascript = (name: 'javascript' | 'typescript' | 'json') => async () =>
  (await import('@codemirror/legacy-modes/mode/javascript'))[name];
const css = (name: 'css' | 'sCSS' | 'less') => async () => (await import('@codemirror/legacy-modes/mode/css'))[name];
const xml = (name: 'xml' | 'html') => async () => (await import('@codemirror/legacy-modes/mode/xml'))[name];

/** The languages that models write most, each a chunk of a few kB that is loaded when a reply holds it. */
const grammars: Readonly<Record<string, () => Promise<unknown>>> = {
  c: clike('c'),
  cpp: clike('cpp'),
  csharp: clike('csharp'),
  css: css('css'),
  dart: clike('dart'),
  diff: async () => (await import('@codemirror/legacy-modes/mode/diff')).diff,
  dockerfile: async () => (await import('@codemirror/legacy-modes/mode/dockerfile')).dockerFile,
  go: async () => (await import('@codemirror/legacy-modes/mode/go')).go,
  haskell: async () => (await import('@codemirror/legacy-modes/mode/haskell')).haskell,
  html: xml('html'),
  java: clike('java'),
  javascript: javascript('javascript'),
  json: javascript('json'),
  kotlin: clike('kotlin'),
  less: css('less'),
  lua: async () => (await import('@codemirror/legacy-modes/mode/lua')).lua,
  perl: async () => (await import('@codemirror/legacy-modes/mode/perl')).perl,
  powershell: async () => (await import('@codemirror/legacy-modes/mode/powershell')).powerShell,
  properties: async () => (await import('@codemirror/legacy-modes/mode/properties')).properties,
  protobuf: async () => (await import('@codemirror/legacy-modes/mode/protobuf')).protobuf,
  python: async () => (await import('@codemirror/legacy-modes/mode/python')).python,
  r: async () => (await import('@codemirror/legacy-modes/mode/r')).r,
  ruby: async () => (await import('@codemirror/legacy-modes/mode/ruby')).ruby,
  rust: async () => (await import('@codemirror/legacy-modes/mode/rust')).rust,
  scala: clike('scala'),
  scss: css('sCSS'),
  shell: async () => (await import('@codemirror/legacy-modes/mode/shell')).shell,
  sql: async () => (await import('@codemirror/legacy-modes/mode/sql')).standardSQL,
  swift: async () => (await import('@codemirror/legacy-modes/mode/swift')).swift,
  toml: async () => (await import('@codemirror/legacy-modes/mode/toml')).toml,
  typescript: javascript('typescript'),
  xml: xml('xml'),
  yaml: async () => (await import('@codemirror/legacy-modes/mode/yaml')).yaml,
};

const otherNames: Readonly<Record<string, string>> = {
  bash: 'shell',
  'c++': 'cpp',
  cc: 'cpp',
  cs: 'csharp',
  'c#': 'csharp',
  console: 'shell',
  docker: 'dockerfile',
  golang: 'go',
  h: 'c',
  hs: 'haskell',
  htm: 'html',
  ini: 'properties',
  js: 'javascript',
  jsx: 'javascript',
  jsonc: 'json',
  jsonl: 'json',
  kt: 'kotlin',
  mjs: 'javascript',
  patch: 'diff',
  pl: 'perl',
  postgres: 'sql',
  postgresql: 'sql',
  mysql: 'sql',
  proto: 'protobuf',
  ps1: 'powershell',
  py: 'python',
  rb: 'ruby',
  rs: 'rust',
  sass: 'scss',
  sh: 'shell',
  'shell-session': 'shell',
  sqlite: 'sql',
  svg: 'xml',
  ts: 'typescript',
  tsx: 'typescript',
  vue: 'html',
  yml: 'yaml',
  zsh: 'shell',
};

const loaded = new Map<string, Grammar>();

function nameOf(language: string): string {
  const name = language.toLowerCase();
  return Object.hasOwn(otherNames, name) ? (otherNames[name] as string) : name;
}

/** Makes a language known, if there is a grammar for it. A reply goes on without colours where that fails. */
export async function loadLanguage(language: string): Promise<void> {
  const name = nameOf(language);
  if (loaded.has(name) || !Object.hasOwn(grammars, name)) return;
  try {
    loaded.set(name, (await grammars[name]?.()) as Grammar);
  } catch {
    // Colours are a help, not the reply.
  }
}

/** The style of each kind of token, by the first word of what a grammar calls it. */
const styles: Readonly<Record<string, Style>> = {
  keyword: 'magenta',
  string: 'green',
  comment: 'dim',
  meta: 'dim',
  number: 'yellow',
  atom: 'yellow',
  bool: 'yellow',
  def: 'blue',
  tag: 'blue',
  tagName: 'blue',
  typeName: 'cyan',
  type: 'cyan',
  builtin: 'cyan',
  attribute: 'cyan',
  attributeName: 'cyan',
  propertyName: 'cyan',
  property: 'cyan',
  inserted: 'green',
  deleted: 'red',
  heading: 'bold',
};

const tabSize = 4;
/** Minified code stands on lines that no colour makes readable. */
const longestLine = 2000;

/** A piece of a line of code, and what it is shown in; null for what has no colour. */
export interface CodeToken {
  text: string;
  style: Style | null;
}

/**
 * Reads code line by line: after a line it holds the grammar's state, so a finished line is never read again. The texts of
 * a line's tokens are the line.
 */
export class CodeLexer {
  readonly #grammar: Grammar | null;
  #state: unknown;

  constructor(language: string) {
    this.#grammar = loaded.get(nameOf(language)) ?? null;
    this.#state = this.#grammar?.startState?.(tabSize) ?? {};
  }

  /** The next line of the code, finished. */
  line(code: string): CodeToken[] {
    return this.#read(code, this.#state);
  }

  /** A line that is still being written. */
  openLine(code: string): CodeToken[] {
    return this.#grammar === null ? plain(code) : this.#read(code, this.#copied());
  }

  #read(code: string, state: unknown): CodeToken[] {
    const grammar = this.#grammar;
    if (grammar === null || code.length > longestLine) return plain(code);
    if (code === '') {
      grammar.blankLine?.(state, tabSize);
      return [];
    }
    const stream = new StringStream(code, tabSize, tabSize);
    const tokens: CodeToken[] = [];
    try {
      for (let idle = 0; !stream.eol();) {
        stream.start = stream.pos;
        const kind = grammar.token(stream, state);
        if (stream.pos === stream.start) {
          // A grammar may change its state without reading, but one that does so for ever is broken.
          if ((idle += 1) > 10) throw new Error('the grammar does not go on');
          continue;
        }
        idle = 0;
        tokens.push({ text: stream.current(), style: styleOf(kind) });
      }
    } catch {
      tokens.push({ text: code.slice(stream.start), style: null });
    }
    return tokens;
  }

  #copied(): unknown {
    const state = this.#state;
    if (this.#grammar?.copyState) return this.#grammar.copyState(state);
    if (typeof state !== 'object' || state === null) return state;
    return Object.fromEntries(
      Object.entries(state).map(([name, value]) => [name, Array.isArray(value) ? [...value] : value]),
    );
  }
}

function plain(code: string): CodeToken[] {
  return code === '' ? [] : [{ text: code, style: null }];
}

function styleOf(kind: string | null): Style | null {
  const name = kind === null ? '' : (/^[A-Za-z]+/.exec(kind)?.[0] ?? '');
  return Object.hasOwn(styles, name) ? (styles[name] ?? null) : null;
}

/** Styles code for a terminal, line by line. */
export class Highlighter {
  readonly #lexer: CodeLexer;
  readonly #paint: Paint;

  constructor(language: string, paint: Paint) {
    this.#lexer = new CodeLexer(language);
    this.#paint = paint;
  }

  /** The next line of the code, finished. */
  line(code: string): string {
    return this.#painted(this.#lexer.line(code));
  }

  /** A line that is still being written. */
  openLine(code: string): string {
    return this.#painted(this.#lexer.openLine(code));
  }

  #painted(tokens: readonly CodeToken[]): string {
    let line = '';
    for (const { text, style } of tokens)
      line += style === null ? terminalSafe(text) : this.#paint(style, terminalSafe(text));
    return line;
  }
}
