import type { HttpResponse } from '../http/transport.ts';

const longestBody = 65_536;
/** An answer whose status is an error is worth a short wait for its words, not a model's time. */
const longestWait = 10_000;

/** The body of an answer that is no reply, as far as it comes soon; never fails. */
export async function readErrorBody(response: HttpResponse): Promise<string> {
  const timer = setTimeout(() => response.destroy(), longestWait);
  const decoder = new TextDecoder();
  let text = '';
  try {
    for (let read = await response.body.next(); !read.done; read = await response.body.next()) {
      text += decoder.decode(read.value, { stream: true });
      if (text.length > longestBody) break;
    }
  } catch {
    // A status and half a message are better than the news that the other half is missing.
  } finally {
    clearTimeout(timer);
    response.release();
  }
  return text;
}
