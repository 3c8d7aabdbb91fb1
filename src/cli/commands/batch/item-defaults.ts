import type { ItemDefaults } from '../../../batch/ask-item.ts';
import { withHeaderTags } from '../../../client/attribution.ts';
import { followAlias, paramValues } from '../../../config/settings.ts';
import { requestHeaders } from '../../asking/client-options.ts';
import { requestBody } from '../../asking/request-body.ts';
import { wantedReply } from '../../asking/wanted-reply.ts';
import { CllmError } from '../../../outcome/errors.ts';
import type { FormSpec } from '../../../queue/job.ts';
import type { Context } from '../../context.ts';
import type { Values } from '../../flags/flag.ts';
import type { batchFlags } from './command.ts';

/** What holds for every line that does not say otherwise. */
export async function itemDefaults(
  values: Values<typeof batchFlags>,
  context: Context,
  refuseModel: ItemDefaults['refuseModel'],
  refuseRequest: ItemDefaults['refuseRequest'],
): Promise<ItemDefaults & { formSpec: FormSpec | null }> {
  const settings = await context.settings();
  const { io, paths, remark } = context;
  const { model: _model, ...params } = await requestBody(values, '', paramValues(settings.params), io);
  const template = await context.template();
  const form = template === null ? values : (await import('../../asking/template.ts')).withExtract(values, template);
  const wanted = await wantedReply(form, settings, io);
  const isShortAllowed =
    values.allowShort ||
    (template !== null &&
      (await import('../../asking/template-trust.ts')).isShortAllowed(
        template,
        { io, paths, trustTemplate: values.trustTemplate },
        remark,
      ));
  const schema = wanted?.schema ?? null;
  const header = requestHeaders(values, settings, await context.attribution())['x-litellm-tags'];
  return {
    model: settings.model.value,
    resolveModel: (name) => followAlias(name, settings.aliases),
    system: settings.system.value,
    params: { ...params, ...(schema !== null && { response_format: schema.responseFormat }) },
    isShortAllowed,
    template: template && { name: template.name, digest: template.digest },
    form: wanted?.form ?? null,
    formSpec: wanted?.spec ?? null,
    schemaRetries: wanted?.retries ?? 0,
    refuseModel,
    refuseRequest,
    withTools: await toolsOf(values, { tools: params['tools'] }, context),
    complete: (body) => withHeaderTags(body, header),
  };
}

/** What the model of each item may call, by rule only; a batch without tools loads nothing for it. */
async function toolsOf(
  values: Values<typeof batchFlags>,
  body: Record<string, unknown>,
  context: Context,
): Promise<ItemDefaults['withTools']> {
  if (values.mcp.length === 0 && values.allow.length === 0) return null;
  const { openToolbox, stepsOf, toolSender } = await import('../../asking/tool-run.ts');
  const { io, remark } = context;
  const parts = { io, settings: await context.settings(), client: await context.client(), remark };
  const { tools, rules } = await openToolbox(values, body, parts);
  return (conversation, { onReply, mayGoOn }) =>
    toolSender(conversation, {
      tools,
      rules,
      store: { history: null, journal: null, problem: null },
      pending: null,
      handedIn: new Map(),
      maxSteps: stepsOf(values),
      observer: undefined,
      ask: null,
      isKept: () => false,
      onReply,
      refusal: () => (mayGoOn() ? null : new CllmError('cost_cap', '--max-cost is reached: nothing more is asked')),
      refuse: null,
      now: () => io.now(),
    });
}
