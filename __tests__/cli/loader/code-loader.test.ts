import { describe, expect, test } from '@jest/globals';
import type { FreshCode } from '../../../src/cli/loader/code-cache.ts';
import { CodeLoader, wrapped } from '../../../src/cli/loader/code-loader.ts';

/** A loader of the texts that are given, with what it asked for and what it kept. */
function loaderOf(
  texts: Record<string, string>,
  {
    packs = {},
    code = new Map<string, Buffer>(),
  }: { packs?: Record<string, string[]>; code?: Map<string, Buffer> } = {},
) {
  const read: string[] = [];
  const kept = new Map<string, Buffer>();
  const loader = new CodeLoader(
    {
      directory: '/nowhere',
      text: (name) => {
        read.push(name);
        return texts[name] ?? '';
      },
      code: (name) => code.get(name) ?? null,
      keep: (codes: readonly FreshCode[]) => codes.forEach(({ name, code: make }) => kept.set(name, make())),
    },
    packs,
  );
  return { loader, read, kept };
}

const parts = {
  'a.js':
    "globalThis.runs = [...(globalThis.runs ?? []), 'a']; exports.all = () => [require('./b.js').name, __filename];",
  'b.js': "exports.name = 'b'; exports.a = require('./a.js');",
};
const packed = `({${Object.entries(parts)
  .map(([name, text]) => `${JSON.stringify(name)}:${wrapped(text)}`)
  .join(',\n')}})`;
const ways = {
  alone: { texts: parts, packs: {}, files: ['a.js', 'b.js'] },
  'in a pack': { texts: { 'p.js': packed }, packs: { 'p.js': ['a.js', 'b.js'] }, files: ['p.js'] },
  'one in a pack': {
    texts: { ...parts, 'p.js': `({"b.js":${wrapped(parts['b.js'])}})` },
    packs: { 'p.js': ['b.js'] },
    files: ['a.js', 'p.js'],
  },
};

describe.each(Object.entries(ways))('parts %s', (way, { texts, packs, files }) => {
  test('run when they are wanted, once, in a circle too, under their own names', () => {
    const { loader, read } = loaderOf(texts, { packs });
    const { all } = loader.load('a.js') as { all: () => string[] };
    expect(all()).toEqual(['b', '/nowhere/a.js']);
    expect((loader.load('b.js') as { a: unknown }).a).toBe(loader.load('a.js'));
    expect(read).toEqual(files);
  });

  test('leave their compiled code, which the next run takes and leaves no second time', () => {
    const first = loaderOf(texts, { packs });
    first.loader.load('b.js');
    first.loader.keep();
    expect([...first.kept.keys()].toSorted()).toEqual(files);
    const next = loaderOf(texts, { packs, code: first.kept });
    expect(next.loader.load('b.js')).toMatchObject({ name: 'b' });
    next.loader.keep();
    expect(next.kept.size).toBe(0);
    // Of another text: V8 knows the first one still, and does not look.
    const others = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, `/* ${way} */${text}`]));
    const damaged = loaderOf(others, { packs, code: new Map(files.map((file) => [file, Buffer.from('no code')])) });
    expect(damaged.loader.load('b.js')).toMatchObject({ name: 'b' });
    damaged.loader.keep();
    expect(damaged.kept.size).toBe(files.length);
  });
});
