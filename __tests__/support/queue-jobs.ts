import type { BatchItem } from '../../src/batch/batch-item.ts';
import type { RunFacts } from '../../src/queue/job.ts';

export const itemOf = (line: number, prompt = `prompt ${line}`): BatchItem => ({
  line,
  customId: `i${line}`,
  digest: null,
  request: { messages: [{ role: 'user', content: prompt }], system: null, params: {} },
  error: null,
});

export const runFacts = (change: Partial<RunFacts> = {}): RunFacts => ({
  run: 'run-1',
  session: 'session-1',
  template: null,
  form: null,
  schema_retries: 0,
  is_short_allowed: false,
  may_wait: true,
  call: {
    retries: 0,
    first_token_timeout: null,
    idle_timeout: null,
    timeout: null,
    max_reply_bytes: null,
    require_model: null,
    fallback: true,
    cache: true,
  },
  marks: { tags: [], job_tags: [], metadata: {} },
  ...change,
});
