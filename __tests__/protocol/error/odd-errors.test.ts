import { describe, expect, test } from '@jest/globals';

import { errorFromResponse } from '../../../src/client/answer/error-response.ts';
import { ReplyReader } from '../../../src/protocol/reply-reader.ts';
import { jsonOf, OddValues } from '../../support/odd-completions.ts';
import { seed } from '../../support/seed.ts';

/** Every name under which an error's envelope, its words, its code or its kind may stand, and those of a reply. */
const names =
  `error Error errors fault Fault err exception detail Detail details base_resp ResponseMetadata header message Message
  msg error_message errorMessage error_msg errorMsg errmsg errMsg error_description faultstring status_msg reason
  description title Title type error_type errorType __type Type code Code error_code errorCode errorcode errcode
  status_code statusCode status param success object id choices delta provider_specific_fields guardrail_name usage
  fallback_model original_model event data`.split(/\s+/);

/** What no function of JavaScript turns into a text or a number: it throws. */
const unprintable = { toString: 1, valueOf: 1 };

function expectErrors(body: string): void {
  for (const status of [401, 429, 500]) {
    const context = {
      request: { method: 'POST', url: 'http://127.0.0.1/v1/chat/completions' },
      hasKey: true,
      secrets: { keys: [], prompts: [] },
    };
    expect(errorFromResponse({ status, headers: {}, body }, context).status).toBe(status);
  }
  for (const [contentType, bytes] of [
    ['application/json', body],
    ['text/event-stream', `data: ${body}\n\ndata: [DONE]\n\n`],
    ['text/event-stream', `event: error\ndata: ${body}\n\n`],
    ['text/event-stream', `error: ${body}\n\n`],
    ['text/plain', `data: [1]\n${body}`],
  ] as const) {
    const reader = new ReplyReader({ status: 200, contentType });
    reader.push(Buffer.from(bytes));
    const { reply } = reader.finish({ type: 'end' });
    expect(reply.verdict).not.toBe('complete');
    expect(reply.error).not.toBeNull();
  }
}

describe('an answer that is no reply', () => {
  test.each(names)('with what can not be printed as %s', (name) => {
    expectErrors(JSON.stringify({ [name]: unprintable }));
    expectErrors(JSON.stringify({ error: { message: 'no', [name]: unprintable } }));
    expectErrors(JSON.stringify({ title: 'no', base_resp: { [name]: unprintable }, [name]: unprintable }));
    expectErrors(JSON.stringify([{ detail: [{ [name]: unprintable }] }]));
  });

  test(`of any shape (seed ${seed})`, () => {
    const odd = new OddValues(seed);
    const object = (depth: number): Record<string, unknown> =>
      Object.fromEntries(
        Array.from({ length: 1 + Math.floor(odd.random() * 4) }, () => [
          odd.pick(names),
          depth > 0 && odd.random() < 0.5 ? object(depth - 1) : odd.value(2),
        ]),
      );
    for (let round = 0; round < 2_000; round += 1) {
      const { choices: _, ...body } = object(3);
      const text = jsonOf(body);
      try {
        expectErrors(text);
      } catch (error) {
        throw new Error(`of ${text}`, { cause: error });
      }
    }
  });
});
