import { realpathSync } from 'node:fs';
import { basename, relative } from 'node:path';
import type { Paths } from '../../config/paths.ts';
import { hasSecretName } from '../../files/secret-file.ts';
import { UsageError } from '../../outcome/errors.ts';
import { shellWord } from '../../protocol/shell-word.ts';
import type { ChatMessage } from '../../protocol/types.ts';
import { render, type TemplateValues } from '../../templates/engine.ts';
import { templatePath } from '../../templates/find-template.ts';
import { type CommandSurroundings, type RenderedCommand, runCommands } from '../../templates/run-commands.ts';
import type { ContextCommand } from '../../templates/template-file.ts';
import type { PromptWords, Values } from '../flags/flag.ts';
import type { promptFlags, templateFlags } from '../flags/flags.ts';
import { readAttachments, userMessage } from '../input/attachments.ts';
import { promptMessage } from '../input/message.ts';
import { block, readInput } from '../input/prompt.ts';
import type { Io } from '../io.ts';
import { remark } from '../views/report.ts';
import { isNamed, type LoadedTemplate } from './template.ts';
import { assertTemplateTrusted } from './template-trust.ts';

type PromptValues = Values<typeof promptFlags> & Values<typeof templateFlags> & { readonly prompt: PromptWords };

export interface TemplateRun {
  io: Io;
  paths: Pick<Paths, 'trustDirectory'>;
  say: (text: string) => void;
}

const execTimeout = 60;

/** What a prompt comes to. */
export interface MadePrompt {
  /** The last one is the user's. */
  messages: [...earlier: ChatMessage[], prompt: ChatMessage];
  /** The outputs of commands in it, each with its marks: what the conversation has already is not sent again. */
  outputs: readonly string[];
}

/**
 * The user message: the rendered template, the words of the command line after it, the output of the commands, then
 * standard input and the files, where the template does not name them itself. Whatever is wrong with the template is said
 * before a command runs.
 *
 * @throws UsageError, CllmError `context_failed`, InterruptedError
 */
export async function templateMessage(
  template: LoadedTemplate | null,
  values: PromptValues,
  { io, paths, say }: TemplateRun,
): Promise<MadePrompt> {
  const asked = values.exec.map((line): RenderedCommand => {
    return { name: 'exec', argv: ['sh', '-c', line], shown: line, onFailure: 'fail', timeout: execTimeout };
  });
  if (template === null) {
    const outputs = await runCommands(asked, surroundings({ io, say }));
    return { messages: [await promptMessage(values, io, outputs)], outputs };
  }

  const { text, variables } = template;
  const commands = [...renderedCommands(template), ...asked];
  await assertTemplateTrusted(template, {
    io,
    paths,
    trustTemplate: values.trustTemplate,
    isInputIgnored: !values.stdin,
  });
  const { prompt, file, stdin, stdinTimeout = 60 } = values;
  const attachments = await readAttachments([...ownFiles(template, io), ...file], io);
  const input = await readInput(
    { isInputNamed: prompt.isInputNamed, isInputIgnored: !stdin, inputTimeout: stdinTimeout },
    io.stdin,
    (line) => void remark(io.stderr, line),
    io.signal,
  );
  // A prompt of the proxy may have variables of these names.
  const isInputNamed = isNamed(text.body, 'input') && !Object.hasOwn(variables, 'input');
  if (isInputNamed && input === null && !/\binput is (not )?defined/.test(text.body)) {
    throw new UsageError(`the template ${template.name} needs standard input, and there is none`, {
      code: 'input_invalid',
      hint: `pipe it in: git diff | cllm -t ${shellWord(template.name, 'NAME')}`,
    });
  }
  const areFilesNamed = isNamed(text.body, 'files') && !Object.hasOwn(variables, 'files');
  const names = { ...(input !== null && { input }), files: attachments.blocks.join('\n\n'), ...variables };
  const body = renderedBody(template, names);
  const earlier = renderedEarlier(template, names);
  const words = prompt.words.join(' ').trim();
  const outputs = await runCommands(commands, surroundings({ io, say }));
  const parts = [
    body,
    ...(words === '' ? [] : [words]),
    ...outputs,
    ...(input === null || isInputNamed ? [] : [block('stdin', '', input)]),
  ];
  const blocks = areFilesNamed ? [] : attachments.blocks;
  return { messages: [...earlier, userMessage(parts.join('\n\n'), { ...attachments, blocks })], outputs };
}

/** Where the commands of a template run. */
export function surroundings({ io, say }: Pick<TemplateRun, 'io' | 'say'>): CommandSurroundings {
  return {
    cwd: io.cwd,
    env: io.secrets.environmentForOthers(),
    kill: (group, by) => io.kill(group, by),
    signal: io.signal,
    say,
  };
}

/** @throws UsageError `template_invalid`, for a prompt without a text as well */
export function renderedBody({ file, text }: LoadedTemplate, names: TemplateValues): string {
  const body = render(text.body, names, { name: file, line: text.bodyLine }).trim();
  if (body === '') throw new UsageError(`${file}: comes to an empty prompt`, { code: 'template_invalid' });
  return body;
}

/** What was said before the prompt, by the proxy's word. */
export function renderedEarlier({ file, text }: LoadedTemplate, names: TemplateValues): ChatMessage[] {
  return text.earlier.map(({ role, body }) => ({ role, content: render(body, names, { name: file, line: null }) }));
}

export function renderedCommands(template: LoadedTemplate): RenderedCommand[] {
  return template.text.context.map((each) => renderedCommand(each, template));
}

/** The files of the template itself, as `-f` takes them. */
export function ownFiles(template: LoadedTemplate, { cwd }: Pick<Io, 'cwd'>): string[] {
  return template.text.files.map((name, at) => ownFile(template, name, { place: `files[${at}]`, cwd }));
}

/**
 * A file that a template names, as `-f` takes it. Nobody named the files of a repository's template, so that what they hold
 * must not be anybody's secrets.
 *
 * @throws UsageError `template_invalid`
 */
function ownFile(template: LoadedTemplate, name: string, { place, cwd }: { place: string; cwd: string }): string {
  const { file, root } = template;
  const absolute = templatePath(template, name, place);
  const shown = relative(cwd, absolute);
  if (root !== null && [absolute, realOf(absolute)].some((each) => isPrivate(relative(root, each)))) {
    throw new UsageError(
      `${file}: ${place} looks like a secret, and a template that came with a repository names none`,
      {
        code: 'template_invalid',
        hint: `if it shall go along, say so: -f ${shellWord(shown, 'FILE')}`,
      },
    );
  }
  // The working directory itself; and a file, where "-" alone is standard input.
  return shown === '' ? '.' : shown === '-' ? './-' : shown;
}

/** What Git keeps for itself may have the password of a remote in it. */
function isPrivate(inside: string): boolean {
  return inside.split('/').includes('.git') || hasSecretName(basename(inside));
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // What reads it says what is wrong.
    return path;
  }
}

/**
 * Each word by itself. One that does not begin with `-` in the file does not begin with it here either: a value would be
 * an option of the program then.
 */
function renderedCommand(
  { name, run, onFailure, timeout }: ContextCommand,
  { file, variables }: LoadedTemplate,
): RenderedCommand {
  const argv = run.map((word, at) => {
    const place = `${file}: the command ${name}, word ${at + 1}`;
    const rendered = render(word, variables, { name: place, line: null });
    if (rendered.includes('\0')) throw new UsageError(`${place} holds a NUL`, { code: 'template_invalid' });
    if (rendered.startsWith('-') && !word.startsWith('-')) {
      throw new UsageError(
        `${place} comes to ${JSON.stringify(rendered.slice(0, 40))}, which the program takes for an option`,
        {
          code: 'template_invalid',
          hint: 'give a value that does not begin with -',
        },
      );
    }
    return rendered;
  });
  return { name, argv, shown: argv.join(' '), onFailure, timeout };
}
