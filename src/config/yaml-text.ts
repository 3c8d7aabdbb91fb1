import { type Document, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, parseDocument } from 'yaml';
import { UsageError } from '../outcome/errors.ts';

/** How much of a text is taken. */
export interface YamlBounds {
  characters: number;
  lines: number;
  /** Words, marks, spaces and line ends. */
  tokens: number;
}

/** Far more than any settings have; a text within these bounds is read in well under a second, whatever is in it. */
const settingsBounds: YamlBounds = { characters: 256 * 1024, lines: 10_000, tokens: 30_000 };
const mostAliases = 100;
const mostDepth = 100;

/**
 * What a YAML text says. Messages name line and column and never quote the line, where somebody may have put a key;
 * therefore a document and not `yaml.parse()`, whose messages do.
 *
 * The text may have come with a repository, so the work for it is bounded: its length, the words in it, how deep they
 * are, and how often an alias repeats them.
 *
 * @throws UsageError `config_invalid`
 */
export function parseYaml(text: string, file: string, bounds: YamlBounds = settingsBounds): unknown {
  if (text.length > bounds.characters) throw invalid(file, `longer than ${bounds.characters} characters`);
  assertBounded(text, file, bounds);
  const lineCounter = new LineCounter();
  const document = documentOf(text, file, lineCounter);
  const [error] = document.errors;
  const at = (offset: number): string => {
    const { line, col } = lineCounter.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (error !== undefined) throw invalid(at(error.pos[0]), error.code.toLowerCase().replaceAll('_', ' '));
  checkNodes(document, file, at);
  try {
    return document.toJS({ maxAliasCount: mostAliases });
  } catch {
    // An alias without its anchor, or a few lines of aliases that would unfold to gigabytes.
    throw invalid(file, 'bad alias');
  }
}

/** The parser's own work grows with the square of what it does not understand; the lexer's does not. */
function assertBounded(text: string, file: string, { lines, tokens: mostTokens }: YamlBounds): void {
  if (text.split('\n').length > lines) throw invalid(file, `more than ${lines} lines`);
  let tokens = 0;
  for (const token of new Lexer().lex(text)) {
    tokens += token === '' ? 0 : 1;
    if (tokens > mostTokens) throw invalid(file, 'too many names and values');
  }
}

function documentOf(text: string, file: string, lineCounter: LineCounter): Document.Parsed {
  try {
    // Its own search for a key that is there twice compares each with each: `checkNodes` looks instead.
    return parseDocument(text, { lineCounter, prettyErrors: false, logLevel: 'error', uniqueKeys: false });
  } catch {
    // The parser goes down by calling itself, so that enough brackets end its stack.
    throw invalid(file, 'nested too deeply');
  }
}

function checkNodes(document: Document.Parsed, file: string, at: (offset: number) => string): void {
  const left: { node: unknown; depth: number }[] = [{ node: document.contents, depth: 0 }];
  let aliases = 0;
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { node, depth } = next;
    if (isAlias(node)) aliases += 1;
    if (aliases > mostAliases) throw invalid(file, 'too many aliases');
    if (depth > mostDepth) throw invalid(file, 'nested too deeply');
    if (isSeq(node)) for (const item of node.items) left.push({ node: item, depth: depth + 1 });
    if (!isMap(node)) continue;
    const names = new Set<unknown>();
    for (const { key, value } of node.items) {
      // A name is as it was written: `007` is no 7.
      if (isScalar(key) && typeof key.value !== 'string' && key.source !== undefined) key.value = key.source;
      const name = isScalar(key) ? nameOf(key.value) : key;
      if (names.has(name)) throw invalid(at(isScalar(key) ? (key.range?.[0] ?? 0) : 0), 'duplicate key');
      names.add(name);
      left.push({ node: key, depth: depth + 1 }, { node: value, depth: depth + 1 });
    }
  }
}

function invalid(place: string, reason: string): UsageError {
  return new UsageError(`${place}: no valid YAML (${reason})`, { code: 'config_invalid' });
}

/** The name that a key has in JavaScript: `1:` and `"1":` are one. */
function nameOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
