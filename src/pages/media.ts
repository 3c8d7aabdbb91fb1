import { decodedMedia, mediaTitle, type ReplyMedia } from '../protocol/media.ts';
import { html, type Html } from './html.ts';
import { linkOf } from './links.ts';

/** Pixels and sounds. An SVG is a document, which a browser would run once somebody opened it by itself. */
const shownTypes: ReadonlySet<string> = new Set([
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/avif',
  'image/bmp',
  'audio/wav',
  'audio/mpeg',
  'audio/mp4',
  'audio/aac',
  'audio/ogg',
  'audio/flac',
  'audio/webm',
]);

/** The data of an image or a recording of the history itself; null for one that is elsewhere, or that is no such thing. */
export function sourceOf(media: ReplyMedia): string | null {
  const bytes = decodedMedia(media);
  if (bytes === null || media.mediaType === null || !shownTypes.has(media.mediaType)) return null;
  return `data:${media.mediaType};base64,${bytes.toString('base64')}`;
}

/** What is not in the history is named, and nobody loads it. */
export function mediaHtml(media: ReplyMedia, shown: (text: string) => string): Html {
  const title = shown(mediaTitle(media));
  const source = sourceOf(media);
  if (source === null) {
    const link = media.url === null ? null : linkOf(shown(media.url));
    if (link === null) return html`<p class="named">${media.kind}: ${title}</p>\n`;
    const anchor = html`<a href="${link.href}" rel="noopener noreferrer nofollow">${title}</a>`;
    return html`<p class="named">${media.kind}: ${anchor}</p>\n`;
  }
  const element = source.startsWith('data:image/')
    ? html`<img src="${source}" alt="${title}">`
    : html`<audio controls src="${source}" aria-label="${title}"></audio>`;
  return html`<figure>${element}<figcaption>${title}</figcaption></figure>\n`;
}
