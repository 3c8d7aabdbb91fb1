import type { TerminalEcho } from './terminal-echo.ts';

/** Something that draws over what it drew before, or that has put the terminal into a mode of its own. */
export interface TerminalHolder {
  /** Whether what is typed would disturb it, so that the terminal must not show it. */
  readonly isDrawing: boolean;
  /** Takes away what may still change, and puts the modes back: the process is about to be stopped. */
  release(): void;
  /** The process goes on. Others have written to the terminal meanwhile, and may have changed its modes. */
  retake(state: HoldState): void;
}

export interface HoldState {
  /** Whether `release` was called before; a SIGSTOP leaves no time for that. */
  wasReleased: boolean;
  /** In the background the terminal is somebody else's: what is drawn over would be theirs. */
  isForeground: boolean;
}

/** Takes the terminal for a holder; what it gives back lets go of it. */
export type Hold = (holder: TerminalHolder) => () => void;

/** For outputs that are no terminal of a real process. */
export const holdNothing: Hold = () => () => {};

/** What of the process this needs. */
export interface HeldProcess {
  on(signal: 'SIGTSTP' | 'SIGCONT' | 'SIGQUIT', listener: () => void): void;
  off(signal: 'SIGTSTP' | 'SIGCONT' | 'SIGQUIT', listener: () => void): void;
  /** Signals this process alone, or all of its group: a pipeline is stopped as a whole. */
  signal(name: 'SIGTSTP' | 'SIGQUIT', isGroup: boolean): void;
  isForeground(): boolean;
}

/** After that no SIGCONT is to come. */
const untoldMs = 200;

/**
 * Who holds the terminal, so that a stop (Ctrl-Z) takes it from them in time and a shell finds it as it was. Without a
 * holder signals do what they always do.
 */
export class TerminalHold {
  readonly #process: HeldProcess;
  readonly #echo: TerminalEcho;
  readonly #holders: TerminalHolder[] = [];
  #isReleased = false;
  readonly #onStop = (): void => this.#stop(false);
  readonly #onContinue = (): void => this.#retake();
  readonly #onQuit = (): void => {
    this.#echo.restoreNow();
    this.#process.off('SIGQUIT', this.#onQuit);
    this.#process.signal('SIGQUIT', false);
  };

  constructor(process: HeldProcess, echo: TerminalEcho) {
    this.#process = process;
    this.#echo = echo;
  }

  /** @returns Gives the terminal back. */
  hold(holder: TerminalHolder): () => void {
    if (this.#holders.length === 0) this.#listen();
    this.#holders.push(holder);
    const isForeground = this.#process.isForeground();
    if (!isForeground) holder.retake({ wasReleased: true, isForeground });
    else if (holder.isDrawing) this.#echo.silence();
    return () => {
      const at = this.#holders.indexOf(holder);
      if (at === -1) return;
      this.#holders.splice(at, 1);
      if (!this.#holders.some(({ isDrawing }) => isDrawing)) this.#echo.restore();
      if (this.#holders.length === 0) this.#unlisten();
    };
  }

  /** Stops the process and its group, as Ctrl-Z does where the terminal does not see the key. */
  suspend(): void {
    this.#stop(true);
  }

  #stop(isGroup: boolean): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    for (const holder of this.#holders.toReversed()) holder.release();
    this.#echo.restoreNow();
    this.#process.off('SIGTSTP', this.#onStop);
    this.#process.signal('SIGTSTP', isGroup);
    // Here the process goes on again. Where nobody could continue it (no job control) it was never stopped, and no SIGCONT comes. One that came
    // may be told by another thread, and late: taken twice, the terminal would be drawn twice.
    if (this.#holders.length > 0) this.#process.on('SIGTSTP', this.#onStop);
    setTimeout(() => this.#isReleased && this.#retake(), untoldMs).unref();
  }

  #retake(): void {
    const state = { wasReleased: this.#isReleased, isForeground: this.#process.isForeground() };
    this.#isReleased = false;
    if (state.isForeground && this.#holders.some(({ isDrawing }) => isDrawing)) this.#echo.silence();
    for (const holder of this.#holders) holder.retake(state);
  }

  #listen(): void {
    this.#process.on('SIGTSTP', this.#onStop);
    this.#process.on('SIGCONT', this.#onContinue);
    this.#process.on('SIGQUIT', this.#onQuit);
  }

  #unlisten(): void {
    this.#process.off('SIGTSTP', this.#onStop);
    this.#process.off('SIGCONT', this.#onContinue);
    this.#process.off('SIGQUIT', this.#onQuit);
  }
}
