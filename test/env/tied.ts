/** Arguments of setpriv for a program of this project that gets SIGTERM when the process that starts it ends, however that ends. */
export const tied = ['--pdeathsig', 'TERM', '--', process.execPath] as const;
