/** Arguments of setpriv for a program of this project that gets SIGTERM when the process that starts it ends, however that ends. */
export const tied = ['--pdeathsig', 'TERM', '--', process.execPath] as const;

/** Arguments of setpriv for any program that is killed when the process that starts it ends; with all that it runs, where it is the first of its PID namespace. */
export const tiedProgram = ['--pdeathsig', 'KILL', '--'] as const;
