/**
 * Records replies of a running suite's proxy into __tests__/fixtures, a file a provider and situation. Bundled and started
 * by scripts/record-fixtures.mjs, which hands over the suite's addresses.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LiteLLMClient } from '../../src/client/client.ts';
import { RecordingWriter } from '../../src/journal/recording.ts';
import { providers, requestFor, situationsOf } from '../litellm/situations.ts';
import { FakeProviders, type ProviderName } from './fake-providers.ts';
import type { SuiteAddresses } from './litellm-environment.ts';

const directory = join(process.cwd(), '__tests__', 'fixtures');
const { baseUrl, masterKey, version, providersUrl } = JSON.parse(process.argv[2] ?? '') as SuiteAddresses;
const client = new LiteLLMClient({ baseUrl, apiKey: masterKey, retries: 0 });
const upstream = new FakeProviders(providersUrl);

/** A fault strikes after text: the upstream waits at its second piece until the first two have come through. */
const faults = ['cut', 'error', 'end', 'junk'];

async function record(provider: ProviderName, situation: string, delivery: string): Promise<void> {
  const name = `${provider}-${situation}.rec`;
  rmSync(join(directory, name), { force: true });
  const isFault = delivery !== '';
  const request = requestFor(provider, isFault ? 'text' : situation, isFault ? `${delivery} tag=${name}` : '');
  const origin = 'a real LiteLLM in front of a fake provider, by npm run record-fixtures';
  const writer = new RecordingWriter(join(directory, name), { origin, litellm: version, provider, situation });
  const stream = client.stream(request, { taps: [writer] });
  let text = '';
  for await (const chunks of stream.reads()) {
    text += chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    if (isFault && text === 'Hello from ') await upstream.release(name);
  }
  const { verdict, error } = await stream.result();
  writer.close();
  process.stdout.write(`${name}: ${verdict ?? error?.message ?? 'nothing'}\n`);
}

for (const name of readdirSync(directory)) if (name.endsWith('.rec')) rmSync(join(directory, name));
for (const provider of providers) {
  for (const situation of situationsOf[provider]) await record(provider, situation, '');
  for (const fault of faults) await record(provider, `upstream-${fault}`, `hold=2 ${fault}=2`);
}
await client.close();
