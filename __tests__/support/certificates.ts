import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Identity {
  cert: string;
  key: string;
}

/** A private authority, as a company has one, and what it signed. All PEM. */
export interface Certificates {
  ca: string;
  /** For `localhost`, `litellm.test` and both loopback addresses. */
  server: Identity;
  /** For `other.test` only. */
  otherName: Identity;
  expired: Identity;
  client: Identity;
}

/** Made by the `openssl` command, once a suite. */
export function makeCertificates(): Certificates {
  const directory = mkdtempSync(join(tmpdir(), 'cllm-certificates-'));
  const file = (name: string) => join(directory, name);
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
  const read = (name: string) => readFileSync(file(name), 'utf8');
  try {
    writeFileSync(
      file('empty.cnf'),
      '[req]\ndistinguished_name=name\n[name]\n[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n[root]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n',
    );
    writeFileSync(file('index.txt'), '');
    writeFileSync(file('serial'), '1000\n');
    const newKey = (name: string) =>
      openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`);
    newKey('ca');
    openssl(
      'req',
      '-x509',
      '-new',
      '-key',
      'ca.key',
      '-days',
      '2',
      '-subj',
      '/CN=Example Corp Root',
      '-config',
      'empty.cnf',
      '-extensions',
      'root',
      '-out',
      'ca.pem',
    );
    const sign = (name: string, extensions: string, ...validity: string[]): Identity => {
      newKey(name);
      writeFileSync(file(`${name}.ext`), `[own_ext]\n${extensions}\n`);
      openssl(
        'req',
        '-new',
        '-key',
        `${name}.key`,
        '-subj',
        `/CN=${name}`,
        '-config',
        'empty.cnf',
        '-out',
        `${name}.csr`,
      );
      openssl(
        'ca',
        '-batch',
        '-config',
        'empty.cnf',
        '-keyfile',
        'ca.key',
        '-cert',
        'ca.pem',
        '-in',
        `${name}.csr`,
        '-out',
        `${name}.pem`,
        '-extfile',
        `${name}.ext`,
        '-extensions',
        'own_ext',
        '-notext',
        ...validity,
      );
      return { cert: read(`${name}.pem`), key: read(`${name}.key`) };
    };
    const days = ['-days', '2'];
    return {
      ca: read('ca.pem'),
      server: sign('server', 'subjectAltName=DNS:localhost,DNS:litellm.test,IP:127.0.0.1,IP:::1', ...days),
      otherName: sign('other', 'subjectAltName=DNS:other.test', ...days),
      expired: sign(
        'expired',
        'subjectAltName=IP:127.0.0.1',
        '-startdate',
        '20200101000000Z',
        '-enddate',
        '20200201000000Z',
      ),
      client: sign('client', 'extendedKeyUsage=clientAuth', ...days),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
