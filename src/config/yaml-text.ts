import { LineCounter, parseDocument } from 'yaml';
import { UsageError } from '../errors.ts';

/**
 * What a YAML text says. Messages name line and column and never quote the line, where somebody may have put a key;
 * therefore a document and not `yaml.parse()`, whose messages do.
 *
 * @throws UsageError `config_invalid`
 */
export function parseYaml(text: string, file: string): unknown {
  const lineCounter = new LineCounter();
  const document = documentOf(text, file, lineCounter);
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lineCounter.linePos(error.pos[0]);
    throw invalid(`${file}:${line}:${col}`, error.code.toLowerCase().replaceAll('_', ' '));
  }
  try {
    return document.toJS();
  } catch {
    // An alias without its anchor, or a few lines of aliases that would unfold to gigabytes.
    throw invalid(file, 'bad alias');
  }
}

function documentOf(text: string, file: string, lineCounter: LineCounter): ReturnType<typeof parseDocument> {
  try {
    return parseDocument(text, { lineCounter, prettyErrors: false, logLevel: 'error' });
  } catch {
    // The parser goes down by calling itself, so that enough brackets end its stack.
    throw invalid(file, 'nested too deeply');
  }
}

function invalid(place: string, reason: string): UsageError {
  return new UsageError(`${place}: no valid YAML (${reason})`, { code: 'config_invalid' });
}
