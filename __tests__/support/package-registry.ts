import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Packed {
  name: string;
  version: string;
  /** The path of the packed file. */
  file: string;
}

/** Packs a package's folder as `npm publish` would, without running its scripts. */
export function pack(folder: string, destination: string): Packed {
  const said = execFileSync('npm', ['pack', folder, '--json', '--ignore-scripts', '--pack-destination', destination], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ name, version, filename }] = JSON.parse(said) as [{ name: string; version: string; filename: string }];
  return { name, version, file: path.join(destination, filename) };
}

export interface PackageRegistry {
  /** `http://127.0.0.1:PORT/` */
  readonly url: string;
  /** The paths that were asked for. */
  readonly requests: string[];
  close(): Promise<void>;
}

/**
 * An npm registry on loopback that has the packages which the library depends on, packed from node_modules, and the files
 * of `files` (path → file) beside them. Everything else is a 404, so that nothing is looked for elsewhere.
 */
export async function startPackageRegistry(
  destination: string,
  files: Map<string, string> = new Map(),
): Promise<PackageRegistry> {
  const { dependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const packed = new Map(
    Object.keys(dependencies).map((name) => [name, pack(path.join(root, 'node_modules', name), destination)]),
  );
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const place = decodeURIComponent((request.url ?? '/').slice(1));
    requests.push(place);
    const served = files.get(place);
    const tarball = [...packed.values()].find(({ file }) => place === `-/${path.basename(file)}`);
    const known = packed.get(place);
    if (served !== undefined || tarball) response.end(readFileSync(served ?? (tarball as Packed).file));
    else if (known) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(packument(known, `http://${request.headers.host}/-/`)));
    } else response.writeHead(404).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function packument({ name, version, file }: Packed, base: string): unknown {
  const manifest = JSON.parse(readFileSync(path.join(root, 'node_modules', name, 'package.json'), 'utf8')) as object;
  const integrity = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
  const dist = { tarball: `${base}${path.basename(file)}`, integrity };
  return { name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } } };
}
