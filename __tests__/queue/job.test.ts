import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { BatchItem } from '../../src/batch/batch-item.ts';
import { refusedItem } from '../../src/batch/ask-item.ts';
import { CllmError } from '../../src/outcome/errors.ts';
import { assertJob, type Job, jobId, jobOf, NewerJob, queueVersion, readJob, RefusedJob } from '../../src/queue/job.ts';
import { jobEnd, readJobEnd } from '../../src/queue/job-end.ts';
import { itemOf, runFacts } from '../support/queue-jobs.ts';

const request = { model: 'm', messages: [{ role: 'user', content: 'hi' }], temperature: 0.5 };
const jobFor = (item: BatchItem = itemOf(1), change: Partial<Job> = {}): Job => ({
  ...jobOf(item, request, runFacts(), 'try-1'),
  ...change,
});
const wire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('a job', () => {
  test('crosses the wire as it is', () => {
    expect(readJob(wire(jobFor()))).toEqual(jobFor());
    expect(readJob(wire(jobFor(itemOf(1), { alone: true }))).alone).toBe(true);
  });

  test.each<[string, (job: Record<string, any>) => void]>([
    ['a key', (job) => (job['api_key'] = 'sk-1')],
    ['a header', (job) => (job['headers'] = { authorization: 'Bearer x' })],
    ['an address', (job) => (job['base_url'] = 'http://evil')],
    ['a member that is not known', (job) => (job['whatever'] = 1)],
    ['an address in the request', (job) => (job['request'].api_base = 'http://evil')],
    ['a key in the request', (job) => (job['request'].apiKey = 'sk-1')],
    ['what steers LiteLLM in the metadata', (job) => (job['request'].metadata = { mock_response: 'x' })],
    ['an unknown wish', (job) => (job['call'].base_url = 'http://evil')],
    ['an unknown mark', (job) => (job['marks'].header = 'x')],
    ['a form of no kind', (job) => (job['form'] = { kind: 'module', path: '/etc/passwd' })],
    ['a request without messages', (job) => delete job['request'].messages],
    ['tags that are no texts', (job) => (job['marks'].tags = [1])],
    ['no version', (job) => delete job['v']],
  ])('with %s is refused', (_name, change) => {
    const job = wire(jobFor()) as Record<string, unknown>;
    change(job);
    expect(() => readJob(job)).toThrow(RefusedJob);
  });

  test('of a newer cllm is none of ours, whatever else it holds', () => {
    expect(() => readJob({ ...jobFor(), v: queueVersion + 1, further: 1 })).toThrow(NewerJob);
  });

  test('is refused as an error and nothing else, whatever stands in the queue', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => readJob(value)).toThrow(RefusedJob);
      }),
    );
  });

  test('has a name that is the same for the same item of the same run, and for nothing else', () => {
    const id = jobId(jobFor());
    expect(id).toMatch(/^i[0-9a-f]{40}$/);
    expect(jobId(jobOf(itemOf(1), request, runFacts(), 'try-2'))).toBe(id);
    const others = [
      jobFor(itemOf(2)),
      jobFor(itemOf(1), { run: 'another' }),
      jobFor(itemOf(1), { request: { ...request, temperature: 1 } }),
      jobFor(itemOf(1), { form: { kind: 'block', language: null } }),
      jobFor(itemOf(1), { is_short_allowed: true }),
      jobFor(itemOf(1), { schema_retries: 1 }),
      jobFor(itemOf(1), { call: { ...runFacts().call, require_model: 'gpt-*' } }),
    ].map(jobId);
    expect(new Set([id, ...others]).size).toBe(8);
  });

  test('above 256 KiB, or with what steers the proxy, is refused before it is queued, with what to do', () => {
    const large = { ...request, messages: [{ role: 'user', content: 'ä'.repeat(200_000) }] };
    expect(() => assertJob(jobFor(itemOf(7), { request: large }))).toThrow(
      expect.objectContaining({ code: 'input_too_large', message: expect.stringMatching(/line 7 .* 392 KiB.* 256/) }),
    );
    expect(() => assertJob(jobFor(itemOf(7), { request: { ...request, api_base: 'x' } }))).toThrow(/steers the proxy/);
    expect(() => assertJob(jobFor())).not.toThrow();
  });
});

describe('an end', () => {
  const facts = { timestamp: '2026-01-01T00:00:00Z', template: null };

  test('crosses the wire, and is of the item that the batch knows', () => {
    const error = new CllmError('rate_limited', 'no room', { hint: 'wait' });
    const end = {
      result: refusedItem(itemOf(1), error, facts),
      error,
      throttled: { retryAfterMs: 100, parallelLimit: 4 },
      receipt: { keySpend: 1, keyMaxBudget: 2 },
    };
    const read = readJobEnd(wire(jobEnd('t', end)), itemOf(5));
    expect(read).toMatchObject({
      error: { code: 'rate_limited', message: 'no room', hint: 'wait' },
      throttled: end.throttled,
      receipt: end.receipt,
      result: { line: 5, custom_id: 'i5', is_error: true, exit_code: 6 },
    });
  });

  test('that is none is none', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => expect(readJobEnd(value, itemOf(1))).toBeNull()));
    const end = {
      result: refusedItem(itemOf(1), new CllmError('internal', ''), facts),
      error: null,
      throttled: null,
      receipt: null,
    };
    expect(readJobEnd({ ...jobEnd('t', end), v: queueVersion + 1 }, itemOf(1))).toBeNull();
  });

  test('gives no money back, whatever it says that it cost', () => {
    const end = {
      result: refusedItem(itemOf(1), new CllmError('internal', ''), facts),
      error: null,
      throttled: null,
      receipt: null,
    };
    const told = wire(jobEnd('t', end)) as { result: Record<string, unknown> };
    told.result['total_cost_usd'] = -5;
    expect(readJobEnd(told, itemOf(1))?.result.total_cost_usd).toBeNull();
  });
});
