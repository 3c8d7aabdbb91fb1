import type { ItemDefaults } from '../../../batch/ask-item.ts';
import { withHeaderTags } from '../../../client/attribution.ts';
import { followAlias, paramValues } from '../../../config/settings.ts';
import { requestHeaders } from '../../asking/client-options.ts';
import { requestBody } from '../../asking/request-body.ts';
import { wantedReply } from '../../asking/wanted-reply.ts';
import type { Context } from '../../context.ts';
import type { Values } from '../../flags/flag.ts';
import type { batchFlags } from './command.ts';

/** What holds for every line that does not say otherwise. */
export async function itemDefaults(
  values: Values<typeof batchFlags>,
  context: Context,
  refuseModel: ItemDefaults['refuseModel'],
  refuseRequest: ItemDefaults['refuseRequest'],
): Promise<ItemDefaults> {
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
    schemaRetries: wanted?.retries ?? 0,
    refuseModel,
    refuseRequest,
    complete: (body) => withHeaderTags(body, header),
  };
}
