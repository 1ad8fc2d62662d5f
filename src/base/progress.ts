/** Tells a person what is being done. One implementation draws on a terminal, one writes plain lines, one is silent. */
export interface Progress {
  /** A line of its own, such as a result or a warning. */
  line(text: string): void;
  /** Work worth a line: shown while it runs (with the latest detail and the seconds spent once it takes over two), and when it ends. */
  step<T>(title: string, work: (step: ProgressStep) => Promise<T>): Promise<T>;
}

export interface ProgressStep {
  /** What is going on right now, such as `kubelet 3/7` or `12 of 40 MiB`. */
  update(detail: string): void;
}

export const silentProgress: Progress = {
  line: () => {},
  step: (_title, work) => work({ update: () => {} }),
};
