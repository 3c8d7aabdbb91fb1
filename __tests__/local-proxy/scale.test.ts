import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';

interface Service {
  profiles?: string[];
  ports?: string[];
  volumes?: string[];
  environment?: Record<string, string | null>;
}

const { services } = parse(readFileSync('docker-compose.yml', 'utf8')) as { services: Record<string, Service> };
const docs = readFileSync('docs/team-proxy.md', 'utf8');

/** What a service has after `--profile`s, with the settings that the page has for the profile scale. */
const scaleSettings = Object.fromEntries(
  [...docs.matchAll(/^(LITELLM_PORT|REDIS_HOST|REDIS_PORT)=(\S+)$/gm)].map(([, name, value]) => [name, value]),
) as Record<string, string>;

test('a start without profiles starts LiteLLM alone', () => {
  const started = Object.entries(services).filter(([, { profiles }]) => profiles === undefined);
  expect(started.map(([name]) => name)).toEqual(['litellm']);
});

test('the profile scale starts what the replicas share, and nginx', () => {
  const started = Object.entries(services).filter(([, { profiles = ['scale'] }]) => profiles.includes('scale'));
  expect(started.map(([name]) => name).toSorted()).toEqual(['litellm', 'nginx', 'postgres', 'redis']);
});

test('variables of the profile scale have no value without it, not even an empty one', () => {
  expect(services['litellm']?.environment).toMatchObject({ REDIS_HOST: null, REDIS_PORT: null });
});

test('the settings of the page name the service, and give every replica a port that nginx does not want', () => {
  expect(scaleSettings['REDIS_HOST']).toBe('redis');
  const replicas = [...docs.matchAll(/--scale litellm=(\d+)/g)].map(([, count]) => Number(count));
  const [first, last] = (scaleSettings['LITELLM_PORT'] ?? '').split('-').map(Number);
  expect((last ?? 0) - (first ?? 0) + 1).toBeGreaterThanOrEqual(Math.max(...replicas));
  expect(services['nginx']?.ports).toEqual(['127.0.0.1:${NGINX_PORT:-4000}:80']);
  expect(first).toBeGreaterThan(4000);
});

test('the file that nginx mounts is there, and leads to the service', () => {
  const [mounted = ''] = services['nginx']?.volumes ?? [];
  const file = mounted.split(':')[0] ?? '';
  expect(existsSync(file)).toBe(true);
  expect(readFileSync(file, 'utf8')).toContain('server litellm:4000;');
});
