import type { LiteLLMClient, RequestInput } from '../../../client/client.ts';
import type { Settings } from '../../../config/settings.ts';
import type { StrictProblem } from '../../../schema/strict.ts';
import type { CllmError } from '../../../outcome/errors.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import { dryRun, factsOf, figureLines, requestText, sizeLimitOf } from '../../asking/dry-run.ts';
import type { Io } from '../../io.ts';
import { reportError } from '../../views/report.ts';

/** `--dry-run`: the request once, and what it would take of each model; as JSON an object a model. */
export async function previewCompare(
  request: RequestInput,
  models: readonly string[],
  {
    client,
    io,
    settings,
    strictProblem,
    isJson,
  }: {
    client: LiteLLMClient;
    io: Io;
    settings: Settings;
    strictProblem: StrictProblem | null | undefined;
    isJson: boolean;
  },
): Promise<CllmError | null> {
  const facts = factsOf(client, io.signal);
  const limit = sizeLimitOf(settings);
  const run = { client, signal: io.signal, limit, strictProblem, facts };
  let refused: CllmError | null = null;
  for (const [at, model] of models.entries()) {
    const { object, error } = await dryRun({ ...request, model }, run);
    if (isJson) await io.stdout.write(jsonLine(object));
    else {
      if (at === 0) await io.stdout.write(requestText(object.request));
      await io.stdout.write(`\n== ${model}\n${figureLines(object).join('\n')}\n`);
      if (error !== null) await reportError(io.stderr, error);
    }
    refused ??= error;
  }
  return refused;
}
