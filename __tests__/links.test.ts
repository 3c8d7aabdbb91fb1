import { expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { lexer, walkTokens, type Token } from 'marked';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((name) => name !== '' && !name.startsWith('__tests__/') && existsSync(path.join(root, name)));

const tokens = (page: string): Token[] => {
  const found: Token[] = [];
  void walkTokens(lexer(readFileSync(path.join(root, page), 'utf8')), (token) => {
    found.push(token);
  });
  return found;
};

/** The anchors that GitHub makes of a page's headings. */
const anchors = (page: string): Set<string> =>
  new Set(
    tokens(page).flatMap((token) =>
      token.type === 'heading'
        ? (token['text'] as string)
            .toLowerCase()
            .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
            .replaceAll(' ', '-')
        : [],
    ),
  );

test('every relative link of the documentation leads to a file that is there, and to a heading of it', () => {
  let count = 0;
  const broken = pages.flatMap((page) =>
    tokens(page).flatMap((token) => {
      const href = token.type === 'link' || token.type === 'image' ? (token['href'] as string) : '';
      if (href === '' || /^[a-z]+:/.test(href)) return [];
      count += 1;
      const [file = '', anchor] = href.split('#');
      const target = file === '' ? page : path.posix.join(path.posix.dirname(page), decodeURIComponent(file));
      const isThere =
        existsSync(path.join(root, target)) &&
        (anchor === undefined || (statSync(path.join(root, target)).isFile() && anchors(target).has(anchor)));
      return isThere ? [] : [`${page}: ${href}`];
    }),
  );
  expect(broken).toEqual([]);
  expect(count).toBeGreaterThan(50);
});
