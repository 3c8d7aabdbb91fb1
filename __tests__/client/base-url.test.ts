import { expect, test } from '@jest/globals';
import { normalizeBaseUrl } from '../../src/client/base-url.ts';

test.each([
  { text: 'http://localhost:4000', url: 'http://localhost:4000' },
  { text: ' http://localhost:4000/\n', url: 'http://localhost:4000' },
  { text: 'http://localhost:4000/v1', url: 'http://localhost:4000' },
  { text: 'http://localhost:4000/v1/', url: 'http://localhost:4000' },
  { text: 'HTTPS://LLM.Example.com:443/', url: 'https://llm.example.com' },
  { text: 'https://llm.example.com/team/llm/v1', url: 'https://llm.example.com/team/llm' },
  { text: 'https://llm.example.com/team//', url: 'https://llm.example.com/team' },
  { text: 'https://llm.example.com/v1/chat/completions', url: 'https://llm.example.com' },
  { text: 'https://llm.example.com/v1beta', url: 'https://llm.example.com/v1beta' },
  { text: 'http://[::1]:4000/v1', url: 'http://[::1]:4000' },
  { text: 'http://bücher.example', url: 'http://xn--bcher-kva.example' },
])('$text becomes $url', ({ text, url }) => {
  expect(normalizeBaseUrl(text)).toBe(url);
  expect(normalizeBaseUrl(url)).toBe(url);
});

test.each([
  { text: '', words: 'empty', hint: 'http://localhost:4000' },
  { text: 'localhost:4000', words: 'has no scheme', hint: 'did you mean http://localhost:4000?' },
  { text: 'litellm:4000/v1', words: 'has no scheme', hint: 'did you mean http://litellm:4000/v1?' },
  { text: 'llm.example.com', words: 'has no scheme', hint: 'did you mean https://llm.example.com?' },
  { text: '//llm.example.com', words: 'has no scheme', hint: 'did you mean https://llm.example.com?' },
  { text: 'htp://localhost:4000', words: 'the scheme "htp"', hint: 'did you mean http://localhost:4000?' },
  { text: 'ftp://llm.example.com', words: 'the scheme "ftp"', hint: 'did you mean https://llm.example.com?' },
  { text: 'http://', words: 'no URL', hint: 'http://localhost:4000' },
  { text: 'http://a b', words: 'no URL', hint: 'http://localhost:4000' },
  { text: 'http://localhost:99999', words: 'no URL', hint: 'http://localhost:4000' },
  { text: 'https://a.test/?key=hush', words: 'a query', hint: 'did you mean https://a.test/?' },
  { text: 'https://a.test/#x', words: 'a query or a fragment', hint: 'https://a.test/' },
  { text: 'https://me:hush@a.test', words: 'credentials', hint: 'cllm login' },
  { text: 'https://hush@a.test', words: 'credentials', hint: 'cllm login' },
  { text: 'me:hush@a.test', words: 'has no scheme', hint: 'a.test' },
  { text: 'htp://me:hush@a.test', words: 'the scheme "htp"', hint: 'a.test' },
  { text: 'http://me:hush@a.test:99999', words: 'no URL', hint: 'http' },
])('"$text" is refused: $words', ({ text, words, hint }) => {
  let thrown: { code?: string; message?: string; hint?: string } = {};
  try {
    normalizeBaseUrl(text);
  } catch (error) {
    thrown = error as typeof thrown;
  }
  expect(thrown.code).toBe('base_url_invalid');
  expect(thrown.message).toContain(words);
  expect(thrown.hint).toContain(hint);
  expect(`${thrown.message} ${thrown.hint}`).not.toContain('hush');
});
