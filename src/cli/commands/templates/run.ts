import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TrustStore } from '../../../config/trust.ts';
import { failureReason } from '../../../files/file-error.ts';
import { CllmError, UsageError } from '../../../outcome/errors.ts';
import { assertJinja } from '../../../templates/engine.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import { openFile, openTemplate, templatesOf } from '../../asking/template.ts';
import { grantOf } from '../../asking/template-trust.ts';
import type { Context } from '../../context.ts';
import { table } from '../../views/table.ts';

export async function runList(isJson: boolean, { io, paths }: Context): Promise<null> {
  const rows = templatesOf({ io, paths }).map(({ name, file, root, hidden }) => {
    try {
      const { digest, text } = openFile(file, { io, paths });
      return {
        name,
        file,
        is_project: root !== null,
        hides: hidden,
        digest,
        description: text.description,
        problem: null,
      };
    } catch (error) {
      if (!(error instanceof CllmError)) throw error;
      return {
        name,
        file,
        is_project: root !== null,
        hides: hidden,
        digest: null,
        description: null,
        problem: error.message,
      };
    }
  });
  if (isJson) {
    await io.stdout.write(jsonLine(rows));
    return null;
  }
  const cells = rows.map(({ name, file, hides, description, problem }) => [
    name,
    problem === null ? (description ?? '') : 'can not be used: cllm templates check',
    hides === null ? file : `${file} (before ${hides})`,
  ]);
  await io.stdout.write(table(io.stdout, ['template', 'about', 'file'], cells));
  return null;
}

export async function runShow(named: string, { io, paths, remark, client }: Context): Promise<null> {
  const { file, digest, source, text } = await openTemplate(named, { io, paths }, client);
  remark(`${file}, ${digest}`);
  for (const { name, run } of text.context) remark(`it runs ${name}: ${JSON.stringify(run)}`);
  await io.stdout.write(source.endsWith('\n') ? source : `${source}\n`);
  return null;
}

export async function runNew(
  { name, user }: { name: string; user: boolean },
  { io, paths, remark }: Context,
): Promise<null> {
  if (!/^[\w][\w.-]{0,63}$/.test(name)) {
    throw new UsageError(`${JSON.stringify(name)} is no name for a template`, {
      hint: 'letters, digits, ., _ and -; for example: cllm templates new review',
    });
  }
  const file = join(user ? paths.templateDirectory : join(io.cwd, '.cllm', 'templates'), `${name}.md`);
  if (existsSync(file)) {
    throw new UsageError(`${file} is there already`, {
      code: 'template_invalid',
      hint: 'edit it, or choose another name',
    });
  }
  try {
    mkdirSync(dirname(file), { recursive: true, ...(user && { mode: 0o700 }) });
    writeFileSync(file, newTemplate, { flag: 'wx', ...(user && { mode: 0o600 }) });
  } catch (error) {
    throw new UsageError(`${file} can not be written (${failureReason(error)})`, {
      code: 'template_invalid',
      cause: error,
      hint: 'check who owns the folder and its permissions',
    });
  }
  remark(`wrote ${file}; try it: cllm -t ${name} --var topic=…`);
  return null;
}

export async function runCheck(named: string | undefined, { io, paths, remark, client }: Context): Promise<null> {
  const files = named === undefined ? templatesOf({ io, paths }).map(({ file }) => file) : [named];
  const problems: CllmError[] = [];
  for (const each of files) {
    try {
      const { file, text } = await openTemplate(each, { io, paths }, client);
      assertJinja(text.body, { name: file, line: text.bodyLine });
      for (const { body } of text.earlier) assertJinja(body, { name: file, line: null });
      if (text.system !== null) assertJinja(text.system, { name: `${file}: system`, line: null });
      for (const { name, run } of text.context)
        run.forEach((word) => assertJinja(word, { name: `${file}: the command ${name}`, line: null }));
      await io.stdout.write(`${file}: ok\n`);
    } catch (error) {
      if (!(error instanceof CllmError)) throw error;
      problems.push(error);
    }
  }
  const [first, ...others] = problems;
  if (first === undefined) return null;
  for (const { message } of others) remark(message);
  throw first;
}

export async function runTrust(named: string, { io, paths, remark, client }: Context): Promise<null> {
  const template = await openTemplate(named, { io, paths }, client);
  const { file, digest, text } = template;
  const grant = grantOf(template);
  const rules = text.settings.tools?.allow ?? [];
  if (grant === null || (text.context.length === 0 && !text.allowShort && rules.length === 0)) {
    remark(
      grant === null ? `${file} is your own, and needs no trust` : `${file} runs nothing: there is nothing to allow`,
    );
    return null;
  }
  new TrustStore(paths.trustDirectory, io.uid).add(grant);
  for (const { name, run } of text.context) remark(`${file} may run ${name}: ${JSON.stringify(run)}`);
  for (const rule of rules) remark(`with ${file} a model may call ${rule} without a question`);
  if (text.allowShort) remark(`${file} may allow a reply that is cut by its length`);
  remark(`as long as the file stays as it is: ${digest}`);
  return null;
}

const newTemplate = `---
description: what this template is for
variables:
  topic: { default: null, description: what it is about }
# model: gpt-4.1
# system: You are brief.
# files: [docs/style.md]
# context:
#   - { name: log, run: [git, log, --oneline, "-5"] }
---
Write three sentences about {{ topic }}.
`;
