// A reply as it arrives, and how it ended. Run it with: npm run example streaming
import { LiteLLMClient } from 'cllm';

const client = new LiteLLMClient({
  baseUrl: process.env['LITELLM_PROXY_URL'] ?? 'http://localhost:4000',
  apiKey: process.env['LITELLM_PROXY_API_KEY'] ?? '',
});
const model = process.env['CLLM_MODEL'] ?? 'hello';

const stream = client.stream({ model, messages: [{ role: 'user', content: 'Explain server-sent events' }] });
try {
  for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? '');
} catch {
  // The loop throws where the reply breaks; result() below says how, and has what came.
}
const { completion, verdict, receipt, error } = await stream.result();
console.log(
  `\n\nverdict: ${verdict}, model: ${receipt?.modelServed}, first token after ${Math.round(receipt?.ttftMs ?? 0)} ms`,
);
console.log(`the fold of all chunks: ${completion?.choices[0]?.message.content?.length} characters`);
if (error) {
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
await client.close();
