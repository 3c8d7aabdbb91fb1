type Check = (value: unknown, path: string) => string[];

/**
 * Says where a value is not what `ChatCompletion` says, member by member, as paths with what is there. By hand and not by
 * the reader's own checks, so that the two can disagree.
 */
export function wrongMembers(completion: unknown): string[] {
  return object({
    id: text,
    object: literal('chat.completion'),
    created: number,
    model: text,
    choices: list(choice),
    usage: orNull(usage),
    system_fingerprint: optional(orNull(text)),
    service_tier: optional(orNull(text)),
  })(completion, 'completion');
}

const choice: Check = (value, path) =>
  object({
    index: number,
    message,
    finish_reason: orNull(text),
    logprobs: optional(orNull(object({ content: optional(orNull(list())), refusal: optional(orNull(list())) }))),
  })(value, path);

const message: Check = (value, path) =>
  object({
    role: text,
    content: orNull(text),
    refusal: optional(orNull(text)),
    reasoning_content: optional(orNull(text)),
    thinking_blocks: optional(orNull(list(object({})))),
    tool_calls: optional(orNull(list(call))),
    function_call: optional(orNull(object({ name: orNull(text), arguments: text }))),
    annotations: optional(orNull(list())),
    images: optional(orNull(list())),
    audio: optional(orNull(object({}))),
    provider_specific_fields: optional(orNull(object({}))),
  })(value, path);

const call: Check = (value, path) => {
  const common = { id: orNull(text), type: text, provider_specific_fields: optional(orNull(object({}))) };
  const isCustom = typeof value === 'object' && value !== null && 'custom' in value;
  return isCustom
    ? object({ ...common, custom: object({ name: orNull(text), input: text }) })(value, path)
    : object({ ...common, function: object({ name: orNull(text), arguments: text }) })(value, path);
};

const usage: Check = (value, path) =>
  object({
    prompt_tokens: orNull(figure),
    completion_tokens: orNull(figure),
    total_tokens: orNull(figure),
    completion_tokens_details: optional(orNull(object({}))),
    prompt_tokens_details: optional(orNull(object({}))),
    cache_creation_input_tokens: optional(orNull(figure)),
    cache_read_input_tokens: optional(orNull(figure)),
    cost: optional(orNull(figure)),
  })(value, path);

function text(value: unknown, path: string): string[] {
  return typeof value === 'string' ? [] : [wrong(value, path)];
}

function number(value: unknown, path: string): string[] {
  return typeof value === 'number' && Number.isFinite(value) ? [] : [wrong(value, path)];
}

function figure(value: unknown, path: string): string[] {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? [] : [wrong(value, path)];
}

function literal(expected: string): Check {
  return (value, path) => (value === expected ? [] : [wrong(value, path)]);
}

function orNull(check: Check): Check {
  return (value, path) => (value === null ? [] : check(value, path));
}

function optional(check: Check): Check {
  return (value, path) => (value === undefined ? [] : check(value, path));
}

function list(check: Check = () => []): Check {
  return (value, path) =>
    Array.isArray(value) ? value.flatMap((item, at) => check(item, `${path}.${at}`)) : [wrong(value, path)];
}

function object(members: Record<string, Check>): Check {
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [wrong(value, path)];
    return Object.entries(members).flatMap(([name, check]) =>
      check((value as Record<string, unknown>)[name], `${path}.${name}`),
    );
  };
}

function wrong(value: unknown, path: string): string {
  return `${path} is ${JSON.stringify(value)}`;
}
