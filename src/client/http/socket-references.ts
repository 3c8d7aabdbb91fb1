import type { Socket } from 'node:net';

/**
 * Which connections keep a program alive: those whose answers somebody waits for. While every answer under way is held by
 * its consumer, who may never ask for more, none does; a consumer that works on keeps the program alive by its work.
 *
 * undici itself takes back the references of connections that are idle (7, client-h1.js), and gives them again with the
 * next request: so all may have one while a request runs, as long as none has when the last is over.
 */
export class SocketReferences {
  readonly #sockets = new Set<Socket>();
  /** Requests and answers under way, and how many of them are held. */
  #running = 0;
  #held = 0;

  add(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /** A request begins. */
  begin(): RunningRequest {
    const isIdle = this.#isIdle;
    this.#running += 1;
    if (isIdle && this.#held > 0) this.#each('ref');
    return new RunningRequest((running, held) => this.#count(running, held));
  }

  get #isIdle(): boolean {
    return this.#held === this.#running;
  }

  #count(running: number, held: number): void {
    const wasIdle = this.#isIdle;
    this.#running += running;
    this.#held += held;
    if (this.#isIdle !== wasIdle) this.#each(this.#isIdle ? 'unref' : 'ref');
  }

  #each(act: 'ref' | 'unref'): void {
    for (const socket of this.#sockets) socket[act]();
  }
}

/** One request and its answer. */
export class RunningRequest {
  readonly #count: (running: number, held: number) => void;
  #isHeld = false;
  #isOver = false;

  constructor(count: (running: number, held: number) => void) {
    this.#count = count;
  }

  /** Its consumer has what came, and did not ask for more yet. */
  hold(): void {
    if (this.#isOver || this.#isHeld) return;
    this.#isHeld = true;
    this.#count(0, 1);
  }

  goOn(): void {
    if (this.#isOver || !this.#isHeld) return;
    this.#isHeld = false;
    this.#count(0, -1);
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#count(-1, this.#isHeld ? -1 : 0);
  }
}
