import { BlockList, isIP } from 'node:net';
import { UsageError } from '../../outcome/errors.ts';

/** As the variables of the environment hold them. Empty is the same as unset. */
export interface ProxySettings {
  httpsProxy?: string;
  httpProxy?: string;
  noProxy?: string;
}

/**
 * The proxy settings that an environment holds. The lower-case name is stronger, as for curl, but an empty one does not
 * mask the other: `no_proxy= ` in a container image is no wish. `ALL_PROXY` stands in for both.
 *
 * In a CGI program (REQUEST_METHOD is set) HTTP_PROXY holds the `Proxy:` header of whoever made the request (httpoxy,
 * CVE-2016-5385), so it is not read there; `http_proxy` can not be made that way.
 */
export function proxySettingsOf(environment: Readonly<Record<string, string | undefined>>): ProxySettings {
  const read = (name: string) =>
    [environment[name.toLowerCase()], environment[name]].map((value) => value?.trim()).find(Boolean);
  const all = read('ALL_PROXY');
  const isCgi = (environment['REQUEST_METHOD'] ?? '') !== '';
  const settings = {
    httpsProxy: read('HTTPS_PROXY') ?? all,
    httpProxy: (isCgi ? environment['http_proxy']?.trim() || undefined : read('HTTP_PROXY')) ?? all,
    noProxy: read('NO_PROXY'),
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/**
 * The HTTP proxy between here and `url`, or null for a direct connection. What listens on this machine is never asked for
 * through a proxy, which would be given its key and has another machine at that address.
 *
 * @throws UsageError when the setting is no URL, or of a kind that is not spoken here (SOCKS).
 */
export function proxyFor(url: URL, settings: ProxySettings): URL | null {
  const isHttps = url.protocol === 'https:';
  const value = (isHttps ? settings.httpsProxy : settings.httpProxy)?.trim();
  if (!value || isLoopback(url.hostname) || isExempt(url, settings.noProxy ?? '')) return null;
  const name = isHttps ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  // `proxy.corp:3128` is what half of the world writes, and what `new URL` takes for a scheme.
  const text = /^[a-z][a-z\d+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  const proxy = URL.canParse(text) ? new URL(text) : null;
  if (proxy === null || proxy.hostname === '') {
    throw new UsageError(`${name} is no URL`, {
      code: 'config_invalid',
      hint: 'write it like http://proxy.example.com:3128',
    });
  }
  if (proxy.protocol !== 'http:' && proxy.protocol !== 'https:') {
    throw new UsageError(`${name} asks for ${proxy.protocol.slice(0, -1)}, which cllm does not speak`, {
      code: 'config_invalid',
      hint: 'name an HTTP proxy, or put the host in NO_PROXY',
    });
  }
  return proxy;
}

/**
 * NO_PROXY: names and their subdomains (with or without a leading dot or `*.`), addresses, CIDR blocks, each with a port
 * or without, divided by commas or spaces; `*` is everything.
 */
function isExempt(url: URL, noProxy: string): boolean {
  const host = bare(url.hostname);
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return noProxy
    .toLowerCase()
    .split(/[,\s]+/)
    .some((entry) => {
      if (entry === '') return false;
      if (entry === '*') return true;
      const block = /^(.+)\/(\d{1,3})$/.exec(entry);
      if (block) return isInBlock(host, bare(block[1] ?? ''), Number(block[2]));
      const parts = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(entry);
      // An IPv6 address without brackets has colons and no port.
      const name = bare(parts?.[1] ?? entry).replace(/^\*?\./, '');
      if (parts?.[2] !== undefined && parts[2] !== port) return false;
      return name !== '' && (host === name || (isIP(host) === 0 && host.endsWith(`.${name}`)));
    });
}

/** `localhost` and names below it (RFC 6761), 127.0.0.0/8 and ::1, as IPv4 in IPv6 as well; without a port. */
export function isLoopback(hostname: string): boolean {
  const host = bare(hostname);
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  return isInBlock(host, '127.0.0.0', 8) || isInBlock(host, '::1', 128) || isInBlock(host, '::ffff:7f00:0', 104);
}

function isInBlock(host: string, network: string, prefix: number): boolean {
  const family = isIP(network);
  if (family === 0 || family !== isIP(host) || prefix > (family === 4 ? 32 : 128)) return false;
  const block = new BlockList();
  block.addSubnet(network, prefix, family === 4 ? 'ipv4' : 'ipv6');
  return block.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

const bare = (host: string) =>
  host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
