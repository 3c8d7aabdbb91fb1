// What a user of the ai SDK writes to print a streamed reply.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { streamText } from 'ai';

const provider = createOpenAICompatible({ name: 'bench', baseURL: `${process.env.BASE_URL}/v1`, apiKey: 'sk-bench' });
const { textStream } = streamText({ model: provider(process.env.MODEL), prompt: 'hi' });
for await (const text of textStream) process.stdout.write(text);
