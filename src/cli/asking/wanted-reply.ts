import type { Settings } from '../../config/settings.ts';
import type { ReplyForm } from '../../conversation/taken-reply.ts';
import { UsageError } from '../../outcome/errors.ts';
import type { FlagFileIo } from '../input/flag-file.ts';
import type { FormSpec } from '../../queue/job.ts';
import type { ReplySchema } from './reply-schema.ts';

/** The form that replies have to have. */
export interface WantedReply {
  form: ReplyForm;
  /** The same as a value, from which `formOf` makes it again. */
  spec: FormSpec;
  /** Null where the form is a block's. */
  schema: ReplySchema | null;
  /** How often a complaint goes back to the model. */
  retries: number;
}

/**
 * What `--output-schema`, its setting, `--extract` and `--schema-retries` say; null where any reply will do, which loads
 * nothing.
 *
 * @throws UsageError
 */
export async function wantedReply(
  given: { extract: boolean; extractLang: string | undefined; schemaRetries: number | undefined },
  settings: Pick<Settings, 'outputSchema'>,
  io: FlagFileIo,
): Promise<WantedReply | null> {
  const { extract, extractLang, schemaRetries: retries = 0 } = given;
  const schemaName = settings.outputSchema.value;
  if (schemaName === null && !extract && extractLang === undefined) {
    if (retries === 0) return null;
    throw new UsageError('--schema-retries: there is nothing that a reply has to be', {
      hint: 'say it with --output-schema or --extract',
    });
  }
  if (schemaName !== null) {
    // The JSON is taken out of a block as it is.
    const { readReplySchema } = await import('./reply-schema.ts');
    const schema = await readReplySchema(schemaName, io);
    return { form: schema, spec: { kind: 'schema', ...schema.source }, schema, retries };
  }
  const { blockForm } = await import('./block-form.ts');
  const language = extractLang ?? null;
  return { form: blockForm(language), spec: { kind: 'block', language }, schema: null, retries };
}

/** @throws UsageError `schema_invalid` */
export async function formOf(spec: FormSpec): Promise<ReplyForm> {
  if (spec.kind === 'block') return (await import('./block-form.ts')).blockForm(spec.language);
  return (await import('./reply-schema.ts')).replySchema(spec.text, spec.file, spec.name);
}
