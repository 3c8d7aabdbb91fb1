import { expect, test } from '@jest/globals';
import { Redaction } from '../../src/pages/redaction.ts';
import { redactSecrets } from '../../src/protocol/redact-secrets.ts';

const redaction = (): Redaction =>
  new Redaction({ homeDirectory: '/root', maskKnown: (text) => text.replaceAll('hunter2!', '****') });

test.each([
  ['key sk-proj-abcdefghijklmnop done', 'key sk-… done', '1 key'],
  ['AKIAABCDEFGHIJKLMNOP and sk_live_abcdefghijkl', 'AKIA… and sk_live_…', '2 keys'],
  ['Authorization: Bearer abcdefgh.ijkl', 'Authorization: Bearer …', '1 token'],
  ['postgres://joe:pw@db.example/x', 'postgres://…@db.example/x', '1 password in a URL'],
  [
    '-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest',
    '(private key)\nrest',
    '1 private key',
  ],
  [
    '-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQ\n-----END PGP PRIVATE KEY BLOCK-----\nrest',
    '(private key)\nrest',
    '1 private key',
  ],
  ['PASSWORD=correcthorse DB_PASSWD=x9! y', 'PASSWORD=… DB_PASSWD=… y', '2 passwords'],
  ['dbPassword = "x1y2", **Password:** letmein', 'dbPassword = "…", **Password:** …', '2 passwords'],
  ['the password: `letmein`, the `password` field', 'the password: `…`, the `password` field', '1 password'],
  ['db_password: "correct horse"', 'db_password: "correct horse"', ''],
  ['{"password": "hunter2", "user": "joe"}', '{"password": "…", "user": "joe"}', '1 password'],
  ["password: 's3cr3t'\npwd: letmein\nnext", "password: '…'\npwd: …\nnext", '2 passwords'],
  ['https://x.example/?user=joe&password=abc123&x=1', 'https://x.example/?user=joe&password=…&x=1', '1 password'],
  [
    'the password is set; password = getpass(); password=os.environ["X"]',
    'the password is set; password = getpass(); password=os.environ["X"]',
    '',
  ],
  [
    'password: required, PASSWORD=$PW password=<yours> password=',
    'password: required, PASSWORD=$PW password=<yours> password=',
    '',
  ],
  ['api_key: "abcd1234efgh" token=0123456789ab', 'api_key: "…" token=…', '2 keys'],
  ['aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', 'aws_secret_access_key = …', '1 key'],
  ['wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', '…', '1 key'],
  ['da39a3ee5e6b4b0d3255bfef95601890afd80709', 'da39a3ee5e6b4b0d3255bfef95601890afd80709', ''],
  ['sk-ab**cdefghijkl**mnop and sk-abcdefgh`ij`klmnop', 'sk-… and sk-…', '2 keys'],
  ['**sk-abcdefghijkl** a*b*c 2**3**4', '**sk-…** a*b*c 2**3**4', '1 key'],
  ['-----BEGIN PRIVATE KEY-----\nMIIE cut', '(private key)', '1 private key'],
  ['Jane <jane.doe+x@mail.example.com>, 3@4, a@b', 'Jane <…@…>, 3@4, a@b', '1 e-mail address'],
  ['/home/jane/src/a.ts /Users/joe, file:///home/jane', '~/src/a.ts ~, file://~', '3 home paths'],
  ['C:\\Users\\jane\\x "C:\\\\Users\\\\jane\\\\x" c:/Users/jane/x', '~\\x "~\\x" ~/x', '3 home paths'],
  ['cd /root/x; ls /root; /rooted x/root', 'cd ~/x; ls ~; /rooted x/root', '2 home paths'],
  ['https://x.example/home/jane is a page', 'https://x.example/home/jane is a page', ''],
  ['the word is hunter2! twice: hunter2!', 'the word is … twice: …', '2 known keys'],
  ['jane\\_doe@x.example and ghp\\_abcdefghij\\_klmnopqrst', '…@… and ghp_…', '1 token, 1 e-mail address'],
  ['jörg@example.com, jane@exämple.de, иван@пример.рф', '…@…, …@…, …@…', '3 e-mail addresses'],
  ['请联系jane@example.com谢谢', '请联系…@…谢谢', '1 e-mail address'],
  ['https://x.example/?to=jane%40example.com&b=1', 'https://x.example/?to=…@…&b=1', '1 e-mail address'],
  ['jane&#64;x.example', '…@…', '1 e-mail address'],
  ['"\\/home\\/jane\\/x" and a\\_b', '"~/x" and a\\_b', '1 home path'],
  ['**** stays: hunter2!', '**** stays: …', '1 known key'],
  ['nothing of it: sk-...1234, x@y, ~/a', 'nothing of it: sk-...1234, x@y, ~/a', ''],
])('%j', (text, expected, summary) => {
  const own = redaction();
  expect(own.redacted(text)).toBe(expected);
  expect(own.summary).toBe(summary);
  // What has been taken out is not taken out again.
  expect(own.redacted(expected)).toBe(expected);
  expect(own.summary).toBe(summary);
});

test('what stays as it is is counted all the same, secrets alone', () => {
  const own = redaction();
  own.noticeSecrets('sk-abcdefghijkl of jane@x.example in /home/jane: hunter2!');
  expect(own.summary).toBe('1 key, 1 known key');
});

test('secrets are what the rest of cllm takes for them', () => {
  const text =
    'sk-abcdefghijkl eyJabcdefghij.abc.def ghp_abcdefghijklmnopqrst basic abcdefgh https://a:b@c/ xai-abcdef';
  expect(redaction().redacted(text)).toBe(redactSecrets(text).replaceAll('****', '…'));
});

test.each([
  'a',
  'a.',
  '@',
  'a@',
  'a@a',
  '/home/',
  'x://',
  '-----BEGIN PRIVATE KEY-----',
  'password=',
  'x-',
  'password:**',
  'a_',
  'password: "',
  'token ',
  'a*',
  'aA0',
  'k-',
  '\\_',
  '&#64;',
  'sk-',
  '\\',
  'C:\\Users\\',
])('a megabyte of %j takes a moment', (unit) => {
  const started = performance.now();
  redaction().redacted(unit.repeat(1_000_000 / unit.length));
  expect(performance.now() - started).toBeLessThan(5000);
});
