import { isJsonObject, textOrNull } from '../protocol/json.ts';
import type { Tool, ToolSubject } from './tool.ts';

/** The tools that stand in a request already: whoever wrote them there gives their results. */
export function callersTools({ tools }: Readonly<Record<string, unknown>>): Tool[] {
  const definitions = Array.isArray(tools) ? (tools as unknown[]) : [];
  return definitions.flatMap((definition) => {
    if (!isJsonObject(definition)) return [];
    const named = ['function', 'custom'].map((kind) => definition[kind]).find(isJsonObject) ?? definition;
    const name = textOrNull(named['name']);
    const tool = { name: name ?? '', definition: definition as Tool['definition'], run: null };
    return name === null ? [] : [{ ...tool, subject: (): ToolSubject => ({ kind: 'caller' }) }];
  });
}
