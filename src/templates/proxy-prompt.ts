import { UsageError } from '../outcome/errors.ts';
import { validateSettings } from '../config/validation.ts';
import { isJsonObject } from '../protocol/json.ts';
import type { Json } from '../protocol/types.ts';
import { digestOf, type TemplateText, type Variable } from './template-file.ts';

/** What a prompt may say of how it is answered. The rest of its head is for LiteLLM, or says where something is sent. */
const params = [
  'temperature',
  'max_tokens',
  'max_completion_tokens',
  'top_p',
  'seed',
  'stop',
  'reasoning_effort',
  'presence_penalty',
  'frequency_penalty',
];

interface Section {
  role: 'system' | 'user' | 'assistant';
  text: string;
}

/**
 * A prompt of the proxy, out of the answer of `/prompts/{id}/info`. LiteLLM renders first and looks for `System:`, `User:`
 * and `Assistant:` at the beginnings of lines after that, so that a value can speak in another's name; here they are looked
 * for in the text as its author wrote it.
 *
 * Source: litellm/integrations/dotprompt/dotprompt_manager.py of 1.104.2.
 *
 * @throws UsageError `template_invalid`
 */
export function readProxyPrompt(answer: unknown, name: string): { digest: string; source: string; text: TemplateText } {
  const { raw_prompt_template: raw, prompt_spec: spec } = isJsonObject(answer) ? answer : {};
  const { content, metadata: given } = isJsonObject(raw) ? raw : {};
  if (typeof content !== 'string' || content.trim() === '') {
    const { litellm_params: told } = isJsonObject(spec) ? spec : {};
    const { prompt_integration: by } = isJsonObject(told) ? told : {};
    const where = typeof by === 'string' && /^[\w-]{1,40}$/.test(by) ? ` (it is kept by ${by})` : '';
    throw new UsageError(`${name}: the proxy does not tell the text of this prompt${where}`, {
      code: 'template_invalid',
      hint: 'keep it in a file: cllm templates new NAME',
    });
  }
  const metadata = isJsonObject(given) ? given : {};
  const sections = sectionsOf(content);
  const first = sections.findIndex(({ role }) => role !== 'system');
  const [system, turns] = [sections.slice(0, Math.max(first, 0)), sections.slice(Math.max(first, 0))];
  const last = turns.at(-1);
  if (first === -1 || last?.role !== 'user') {
    throw new UsageError(`${name}: the prompt does not end with what the user says`, {
      code: 'template_invalid',
      hint: 'its last part has to be User: …',
    });
  }
  return {
    digest: digestOf(Buffer.from(JSON.stringify({ content, metadata }))),
    source: content,
    text: {
      description: null,
      settings: settingsOf(metadata, name),
      system: system.length === 0 ? null : system.map(({ text }) => text).join('\n\n'),
      outputSchema: null,
      variables: variablesOf(metadata, content),
      earlier: turns.slice(0, -1).map(({ role, text }) => ({ role, body: text })),
      files: [],
      context: [],
      extract: null,
      allowShort: false,
      body: last.text,
      bodyLine: 1,
    },
  };
}

function sectionsOf(content: string): Section[] {
  const sections: { role: Section['role']; lines: string[] }[] = [];
  for (const line of content.trim().split(/\r?\n/)) {
    const [, word, rest = ''] = /^\s*(System|User|Assistant):(.*)$/.exec(line) ?? [];
    if (word !== undefined) sections.push({ role: word.toLowerCase() as Section['role'], lines: [rest] });
    else if (sections.length === 0) sections.push({ role: 'user', lines: [line] });
    else sections.at(-1)?.lines.push(line);
  }
  return sections.map(({ role, lines }) => ({ role, text: lines.join('\n').trim() })).filter(({ text }) => text !== '');
}

function settingsOf(metadata: Record<string, unknown>, name: string): TemplateText['settings'] {
  const { model } = metadata;
  const own = Object.entries(metadata).filter(([key, value]) => params.includes(key) && value !== null);
  return validateSettings(
    { ...(typeof model === 'string' && { model }), ...(own.length > 0 && { params: Object.fromEntries(own) }) },
    name,
    { isProject: true },
  );
}

/** Those of `input.schema`; one that the prompt does not name, or asks for by `is defined` or `default`, or whose name ends in `?`, may be missing. */
function variablesOf(metadata: Record<string, unknown>, content: string): ReadonlyMap<string, Variable> {
  const { schema, default: defaults } = isJsonObject(metadata['input']) ? metadata['input'] : {};
  const found = new Map<string, Variable>();
  const others = isJsonObject(defaults) ? defaults : {};
  for (const [key, kind] of Object.entries(isJsonObject(schema) ? schema : {})) {
    const name = key.replace(/\?$/, '');
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) continue;
    const isNamed = new RegExp(`\\b${name}\\b`).test(content);
    const mayBeMissing =
      name !== key || !isNamed || new RegExp(`\\b${name}\\s*(?:is\\s|\\|\\s*(?:default|d)\\b)`).test(content);
    const description =
      typeof kind === 'string' && kind.includes(',') ? kind.slice(kind.indexOf(',') + 1).trim() : null;
    found.set(name, {
      default: (Object.hasOwn(others, name) ? others[name] : null) as Json,
      description,
      ...(mayBeMissing && { isOptional: true }),
    });
  }
  for (const [, name = ''] of content.matchAll(/\{\{-?\s*([A-Za-z_][A-Za-z0-9_]*)/g)) {
    const isOwn = found.has(name) || ['loop', 'true', 'false', 'none'].includes(name);
    // It may be set in the prompt itself; what has no value in the end is said when it is rendered.
    if (!isOwn) found.set(name, { default: null, description: null, isOptional: true });
  }
  return found;
}
