import { expect, test } from '@jest/globals';
import { proxyFor } from '../../../src/client/http/http-proxy.ts';

const proxy = { httpProxy: 'http://http.proxy:1', httpsProxy: 'https.proxy:2' };

test.each([
  { url: 'http://a.test', expected: 'http://http.proxy:1/' },
  { url: 'https://a.test', expected: 'http://https.proxy:2/' },
])('$url goes through its own proxy', ({ url, expected }) => {
  expect(proxyFor(new URL(url), proxy)?.href).toBe(expected);
});

test.each([
  { noProxy: 'a.test', url: 'https://a.test', isExempt: true },
  { noProxy: 'a.test', url: 'https://b.a.test', isExempt: true },
  { noProxy: '.a.test', url: 'https://b.a.test', isExempt: true },
  { noProxy: '*.a.test', url: 'https://b.a.test', isExempt: true },
  { noProxy: 'a.test', url: 'https://ba.test', isExempt: false },
  { noProxy: 'a.test:443', url: 'https://a.test', isExempt: true },
  { noProxy: 'a.test:80', url: 'http://a.test', isExempt: true },
  { noProxy: 'a.test:8080', url: 'https://a.test', isExempt: false },
  { noProxy: 'a.test.', url: 'https://a.test', isExempt: true },
  { noProxy: '10.1.2.3', url: 'https://10.1.2.3:4000', isExempt: true },
  { noProxy: '10.0.0.0/8', url: 'https://10.1.2.3', isExempt: true },
  { noProxy: '10.0.0.0/16', url: 'https://10.1.2.3', isExempt: false },
  { noProxy: '10.0.0.0/99', url: 'https://10.1.2.3', isExempt: false },
  { noProxy: '10.0.0.0/8', url: 'https://a.test', isExempt: false },
  { noProxy: '2.3', url: 'https://10.1.2.3', isExempt: false },
  { noProxy: 'fd::1', url: 'http://[fd::1]:4000', isExempt: true },
  { noProxy: '[fd::1]', url: 'http://[fd::1]:4000', isExempt: true },
  { noProxy: '[fd::1]:4000', url: 'http://[fd::1]:4000', isExempt: true },
  { noProxy: '[fd::1]:4001', url: 'http://[fd::1]:4000', isExempt: false },
  { noProxy: 'fd00::/8', url: 'http://[fd12::1]', isExempt: true },
  { noProxy: ' , ,', url: 'https://a.test', isExempt: false },
])('NO_PROXY=$noProxy and $url: exempt $isExempt', ({ noProxy, url, isExempt }) => {
  expect(proxyFor(new URL(url), { ...proxy, noProxy }) === null).toBe(isExempt);
});

test.each([
  ['http://localhost:4000', true],
  ['http://LOCALHOST.:4000', true],
  ['http://litellm.localhost', true],
  ['http://127.0.0.1:4000', true],
  ['http://127.1:4000', true],
  ['http://2130706433', true],
  ['https://127.200.0.9', true],
  ['http://[::1]:4000', true],
  ['http://[::ffff:127.0.0.1]:4000', true],
  ['http://localhost.test', false],
  ['http://notlocalhost', false],
  ['http://128.0.0.1', false],
  ['http://[::2]', false],
])('%s is on this machine, where no proxy belongs: %s', (url, isDirect) => {
  expect(proxyFor(new URL(url), { httpProxy: 'http://a.test', httpsProxy: 'http://a.test' }) === null).toBe(isDirect);
});
