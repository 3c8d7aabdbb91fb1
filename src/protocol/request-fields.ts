/**
 * Fields of a request body that steer the proxy instead of the model: where a request goes and with which credentials,
 * whether a model is asked at all, what guards it, what it costs, and who is told of it. A file that is not the user's own
 * word, a line of a batch say, has no business with them. LiteLLM refuses a part of them by itself, unless its admin
 * allows client-side credentials.
 *
 * Names are compared in small letters and digits alone, so that no spelling gets past: `API_BASE`, `apiBase`, `api-base`.
 *
 * Source: litellm 1.104.2, `all_litellm_params` of types/utils.py and `_BANNED_REQUEST_BODY_PARAMS` of
 * proxy/auth/auth_utils.py.
 */
const steering: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /apikey|accesskey|secret|password|credential|adtoken|identitytoken|^auth|publickey$|authparams$/,
    'a key never stands in a request body',
  ],
  [/^mock/, 'it makes the proxy answer without asking a model'],
  [/guardrail/, 'which guardrails hold is for the proxy and the user to say'],
  [/fallback/, 'where a request goes when a model fails is for the proxy and the user to say'],
  [
    /costper|tokencost|pricing|uplift|^(max)?budget|^maxparallelrequests$|^[rt]pm$|^[io]tpm$/,
    'the proxy decides what a call costs',
  ],
  [/^(extra|additional)(body|headers|query)$|^headers$/, 'it would put anything at all into the request'],
  [
    /^(no|turnoff).*log|callback|^(langfuse|langsmith|humanloop|arize|posthog|braintrust|lunary|slack|gcs|dd|newrelic|wandb|weave)[a-z]/,
    'who is told of a call is for the proxy to say',
  ],
  [
    /^(api|base)(base|url|version)$|(endpoint|host|baseurl|deploymenturl|webhookurl|apiurl)(url)?$|llmprovider$|^(aws|azure|vertex|s3|sagemaker|bedrock|nvcf)[a-z]|region|workspaceid$|^tenantid$|^(use)?ssl/,
    'the proxy decides where a model is served',
  ],
  [
    /^(user|model|router|retry|routing|litellm)?(config|policy|strategy|info|list|aliasmap)$|router|^litellm|^proxy|^modelfile|^custompromptdict$|^rust$|^use(litellmproxy|xaioauth|client|inpassthrough)$|^client(id)?$/,
    'it configures the proxy',
  ],
  [
    /^(finalpromptvalue|basemodel|presetcachekey|completeresponse|outputvectorsize)$/,
    'it stands for what the proxy itself finds out',
  ],
];

/** Longer names are no field of any request. */
const longestName = 100;

/** Why a field may not come from a file that is not the user's own word; null when it may. */
export function steeringReason(name: string): string | null {
  if (name.length > longestName) return 'no field of a request has such a name';
  const plain = squashed(name);
  if (name.startsWith('_') || plain === '') return 'no field of a request has such a name';
  return steering.find(([pattern]) => pattern.test(plain))?.[1] ?? null;
}

/** A name without what spellings differ in. */
export function squashed(name: string): string {
  return name
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '');
}
