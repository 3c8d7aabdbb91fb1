import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { litellmRelease } from '../../src/local-proxy/release.ts';

interface Service {
  image: string;
  ports?: string[];
  profiles?: string[];
  volumes?: string[];
  environment?: Record<string, string | null>;
  healthcheck?: { test: string[] };
}

const text = readFileSync('docker-compose.yml', 'utf8');
const compose = parse(text) as { services: Record<string, Service> };
const services = Object.entries(compose.services);

test('docker-compose.yml fits the JSON schema of the Compose specification', () => {
  const file = readFileSync('__tests__/fixtures/compose-spec/compose-spec.json', 'utf8');
  // It names its parts with draft 4's `id`, its dialect is 2019-09, and it uses nothing that draft 7 has not.
  const schema = JSON.parse(file, (key, value: unknown) =>
    ['id', '$schema'].includes(key) && typeof value === 'string' ? undefined : value,
  ) as object;
  const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
  validate(compose);
  expect(validate.errors).toBeNull();
  expect(validate({ services: { litellm: { ports: 4000 } } })).toBe(false);
});

test('LiteLLM is the release that the tests run against', () => {
  expect(compose.services['litellm']?.image).toBe(litellmRelease().image);
});

test.each(services)('%s is pinned to a release', (_name, { image }) => {
  expect(image).toMatch(/:v?\d+\.\d+(\.\d+)?$/);
});

test.each(services)('%s is reached on loopback only', (_name, { ports = [] }) => {
  for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
});

test('a missing master key stops it with a message', () => {
  expect(compose.services['litellm']?.environment?.['LITELLM_MASTER_KEY']).toMatch(/^\$\{LITELLM_MASTER_KEY:\?.+\}$/);
});

test('no secret has a default', () => {
  const values = services.flatMap(([, { environment = {} }]) => Object.entries(environment));
  const secrets = values.filter(([name]) => /KEY|PASSWORD|DATABASE_URL/.test(name));
  expect(secrets.length).toBeGreaterThan(5);
  expect(secrets.filter(([, value]) => value !== null && !value.includes(':?'))).toEqual([]);
});

// Compose interpolates the whole file before it looks at profiles.
test('nothing of a profile is required when the profile is not used', () => {
  expect(text.match(/\$\{\w+:?\?/g)).toEqual(['${LITELLM_MASTER_KEY:?']);
});

test('the health check needs no curl', () => {
  expect(compose.services['litellm']?.healthcheck?.test.join(' ')).toMatch(/^CMD python3 -c .*\/health\/liveliness/);
});

test("the configuration that it mounts is the repository's, and every variable of that is passed on", () => {
  const { volumes = [], environment = {} } = compose.services['litellm'] ?? {};
  expect(volumes).toContain('./litellm-config.yaml:/app/litellm-config.yaml:ro');
  const named = [...readFileSync('litellm-config.yaml', 'utf8').matchAll(/os\.environ\/(\w+)/g)].map(
    ([, name]) => name,
  );
  expect(Object.keys(environment)).toEqual(expect.arrayContaining(named));
});
