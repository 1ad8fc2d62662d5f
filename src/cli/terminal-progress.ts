import type { Progress, ProgressStep } from '../base/progress.ts';

/** The part of a stream that is needed here. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** From then on a running step shows the seconds it has taken. */
const patientMs = 2000;

/** Draws running steps on a terminal, one line each; writes plain lines elsewhere. Standard error is the place for it. */
export function terminalProgress(output: ProgressOutput, now: () => number = Date.now): Progress {
  return output.isTTY === true ? new DrawnProgress(output, now) : new PlainProgress(output, now);
}

function seconds(ms: number): string {
  return ms >= 60_000 ? `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s` : `${(ms / 1000).toFixed(1)} s`;
}

/** One line when a step begins that takes long, one when it ends. */
class PlainProgress implements Progress {
  readonly #output: ProgressOutput;
  readonly #now: () => number;

  constructor(output: ProgressOutput, now: () => number) {
    this.#output = output;
    this.#now = now;
  }

  line(text: string): void {
    this.#output.write(`${text}\n`);
  }

  async step<T>(title: string, work: (step: ProgressStep) => Promise<T>): Promise<T> {
    const begun = this.#now();
    let detail = '';
    const announce = setInterval(() => this.line(`… ${title}${detail === '' ? '' : `: ${detail}`} (${seconds(this.#now() - begun)})`), 15_000);
    try {
      const result = await work({ update: (text) => { detail = text; } });
      this.line(`✓ ${title} (${seconds(this.#now() - begun)})`);
      return result;
    } catch (error) {
      this.line(`✗ ${title} (${seconds(this.#now() - begun)})`);
      throw error;
    } finally {
      clearInterval(announce);
    }
  }
}

interface Running {
  readonly title: string;
  readonly begun: number;
  detail: string;
}

/** Redraws the lines of all running steps below what is finished. */
class DrawnProgress implements Progress {
  readonly #output: ProgressOutput;
  readonly #now: () => number;
  readonly #running = new Set<Running>();
  #drawn = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(output: ProgressOutput, now: () => number) {
    this.#output = output;
    this.#now = now;
  }

  line(text: string): void {
    this.#erase();
    this.#output.write(`${text}\n`);
    this.#draw();
  }

  async step<T>(title: string, work: (step: ProgressStep) => Promise<T>): Promise<T> {
    const running: Running = { title, begun: this.#now(), detail: '' };
    this.#running.add(running);
    this.#timer ??= setInterval(() => this.#redraw(), 100);
    let mark = '\x1b[31m✗\x1b[0m';
    try {
      const result = await work({ update: (detail) => { running.detail = detail; } });
      mark = '\x1b[32m✓\x1b[0m';
      return result;
    } finally {
      this.#running.delete(running);
      this.line(`${mark} ${title} \x1b[2m${seconds(this.#now() - running.begun)}\x1b[0m`);
      if (this.#running.size === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    }
  }

  #redraw(): void {
    this.#erase();
    this.#draw();
  }

  #erase(): void {
    if (this.#drawn > 0) this.#output.write(`\x1b[${this.#drawn}A\x1b[J`);
    this.#drawn = 0;
  }

  #draw(): void {
    const frame = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'[Math.floor(this.#now() / 100) % 10] ?? '';
    for (const { title, begun, detail } of this.#running) {
      const spent = this.#now() - begun;
      const text = `${frame} ${title}${spent < patientMs ? '' : ` ${seconds(spent)}`}${detail === '' ? '' : ` · ${detail}`}`;
      this.#output.write(`${text.slice(0, (this.#output.columns ?? 80) - 1)}\n`);
      this.#drawn += 1;
    }
  }
}
