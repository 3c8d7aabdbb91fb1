import type { Paths } from '../../config/paths.ts';
import { type Grant, TrustStore } from '../../config/trust.ts';
import { UsageError } from '../../outcome/errors.ts';
import { shellWord } from '../../protocol/shell-word.ts';
import { isConfirmed, mayAsk } from '../input/confirm.ts';
import type { Io } from '../io.ts';
import { remark } from '../views/report.ts';
import type { LoadedTemplate } from './template.ts';

interface TrustSources {
  io: Io;
  paths: Pick<Paths, 'trustDirectory'>;
  /** The digests of `--trust-template`. */
  trustTemplate: readonly string[];
}

/**
 * Commands of a template that came with a repository run once a person has seen the file, each time that it changes anew.
 *
 * @param isInputIgnored nobody is to be asked
 * @throws UsageError `template_untrusted`
 */
export async function assertTemplateTrusted(
  template: LoadedTemplate,
  { isInputIgnored, ...sources }: TrustSources & { isInputIgnored: boolean },
): Promise<void> {
  const { file, source, text } = template;
  const { io } = sources;
  if (text.context.length === 0 || isTemplateTrusted(template, sources)) return;
  if (!mayAsk(io, isInputIgnored)) throw untrusted(template, 'nobody here has allowed that');
  await remark(io.stderr, `${file} came with a repository, and runs commands:`);
  await io.stderr.write(`${source.trimEnd()}\n`);
  for (const { name, run } of text.context) await remark(io.stderr, `it runs ${name}: ${JSON.stringify(run)}`);
  if (!(await isConfirmed(`Let ${file} run these commands?`, io))) throw untrusted(template, 'you did not allow that');
  const grant = grantOf(template);
  if (grant !== null) new TrustStore(sources.paths.trustDirectory, io.uid).add(grant);
}

/**
 * Whether a reply that its length limit cut is no failure. A file that came with a repository is nobody's word for that
 * before a person has seen it.
 */
export function isShortAllowed(template: LoadedTemplate, sources: TrustSources, say: (text: string) => void): boolean {
  const { text, file, name } = template;
  if (!text.allowShort) return false;
  if (isTemplateTrusted(template, sources)) {
    say(`${file} allows a reply that is cut by its length`);
    return true;
  }
  say(
    `allow_short of ${file} does not count: it came with a repository, and nobody here has allowed it; ` +
      `cllm templates trust ${shellWord(name, 'NAME')}, or --allow-short`,
  );
  return false;
}

/** Whether somebody allowed what a template does beyond asking. */
export function isTemplateTrusted(template: LoadedTemplate, { io, paths, trustTemplate }: TrustSources): boolean {
  const grant = grantOf(template);
  return (
    grant === null || trustTemplate.includes(template.digest) || new TrustStore(paths.trustDirectory, io.uid).has(grant)
  );
}

/** Null for the user's own, which need none. */
export function grantOf({ root, digest }: Pick<LoadedTemplate, 'root' | 'digest'>): Grant | null {
  return root === null ? null : { kind: 'template', folder: root, value: digest };
}

function untrusted({ name, file, digest }: LoadedTemplate, why: string): UsageError {
  return new UsageError(`${file} runs commands, and ${why}: nothing was run or sent`, {
    code: 'template_untrusted',
    hint:
      `look at it with cllm templates show ${shellWord(name, 'NAME')}, then: cllm templates trust ${shellWord(name, 'NAME')}; ` +
      `in CI: --trust-template ${digest}`,
  });
}
