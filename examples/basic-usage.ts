// One question, one JSON body. Run it with: npm run example basic-usage
import { CllmError, LiteLLMClient } from 'cllm';

const client = new LiteLLMClient({
  baseUrl: process.env['LITELLM_PROXY_URL'] ?? 'http://localhost:4000',
  apiKey: process.env['LITELLM_PROXY_API_KEY'] ?? '',
});
const model = process.env['CLLM_MODEL'] ?? 'hello';

try {
  const completion = await client.complete({ model, messages: 'Explain server-sent events in two sentences' });
  console.log(completion.choices[0]?.message.content);
  console.log(`(${completion.usage?.total_tokens ?? 'unknown'} tokens, ${completion.choices[0]?.finish_reason})`);
} catch (error) {
  // Match on the code: it is stable, and the message is for people.
  if (!(error instanceof CllmError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  if (error.hint) console.error(error.hint);
  process.exitCode = 1;
} finally {
  await client.close();
}
