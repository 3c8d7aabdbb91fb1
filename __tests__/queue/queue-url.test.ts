import { describe, expect, test } from '@jest/globals';
import { KnownSecrets } from '../../src/cli/process/known-secrets.ts';
import { queuePackages } from '../../src/queue/packages.ts';
import { assertQueueName, readQueueUrl } from '../../src/queue/queue-url.ts';

describe('the URL of a queue', () => {
  test.each<[string, object]>([
    ['redis://localhost', { host: 'localhost', port: 6379, database: 0, isTls: false, password: null }],
    ['redis://127.0.0.2:1/3', { host: '127.0.0.2', port: 1, database: 3, shown: 'redis://127.0.0.2:1/3' }],
    ['redis://[::1]:1', { host: '::1' }],
    [
      'rediss://me:p%40ss@q.example:6380',
      { username: 'me', password: 'p@ss', isTls: true, shown: 'rediss://q.example:6380' },
    ],
  ])('%s', (url, facts) => expect(readQueueUrl(url, false)).toMatchObject(facts));

  test.each(['redis://q.example', 'redis://:pass@10.0.0.1:6379', 'redis://localhost.example.com'])(
    '%s crosses a network in clear, which has to be wished for',
    (url) => {
      expect(() => readQueueUrl(url, false)).toThrow(/not encrypted/);
      expect(readQueueUrl(url, true).isTls).toBe(false);
    },
  );

  test.each([
    'q.example:6379',
    'http://:hunter2hunter@q.example',
    'redis://',
    'redis://:hunter2hunter@localhost/x',
    'redis://:hunter2hunter@localhost?family=6',
    'postgres://:hunter2hunter@localhost/queue',
  ])('%s is refused without being repeated', (url) => {
    expect(() => readQueueUrl(url, false)).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(() => readQueueUrl(url, false)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter') }),
    );
  });
});

test('a queue has a name that can stand in a key of Redis and in its ACL', () => {
  expect(assertQueueName('nightly.2-b_1')).toBe('nightly.2-b_1');
  for (const name of ['', 'a:b', 'a b', '*', 'x'.repeat(61)])
    expect(() => assertQueueName(name)).toThrow(/name of a queue/);
});

test("the queue's password is a key, wherever it stands, and no program of others gets it", () => {
  const secrets = new KnownSecrets({
    CLLM_QUEUE_URL: 'rediss://me:S3cret%2Fpass@q.example',
    PATH: '/bin',
    COPY: 'S3cret/pass',
  });
  expect(secrets.masked('said S3cret/pass and S3cret%2Fpass')).toBe('said **** and ****');
  expect(secrets.environmentForOthers()).toEqual({ PATH: '/bin' });
});

describe('the packages of a queue', () => {
  const versions = (bullmq: string | null, ioredis: string | null) => (name: string) => {
    const version = { 'bullmq/package.json': bullmq, 'ioredis/package.json': ioredis }[name];
    if (version === null) throw Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' });
    return version === undefined ? { Redis: Object, name } : { version };
  };

  test.each([
    ['6.7.0', '5.11.1'],
    ['6.12.3', '5.20.0'],
  ])('%s and %s are taken', (...given) =>
    expect(queuePackages(versions(...given)).bullmq).toMatchObject({ name: 'bullmq' }),
  );

  test.each<[string | null, string | null, RegExp]>([
    [null, null, /bullmq is not installed, ioredis is not installed/],
    ['6.7.0', null, /ioredis is not installed/],
    ['5.9.0', '5.11.1', /bullmq 5.9.0 was not tested/],
    ['6.6.9', '5.11.1', /bullmq 6.6.9 was not tested/],
    ['7.0.0', '5.11.1', /bullmq 7.0.0 was not tested/],
    ['6.7.0-beta.1', '6.0.0', /bullmq 6.7.0-beta.1 was not tested.*ioredis 6.0.0 was not tested/],
  ])('%s and %s are not, and the error names the one command', (bullmq, ioredis, message) => {
    expect(() => queuePackages(versions(bullmq, ioredis))).toThrow(
      expect.objectContaining({
        code: 'queue_unavailable',
        message: expect.stringMatching(message),
        hint: expect.stringContaining('npm install bullmq@6.7.0 ioredis@5.11.1'),
      }),
    );
  });

  test('are those that the tests of the repository run with', () => {
    expect(queuePackages().Redis).toBeInstanceOf(Function);
  });
});
