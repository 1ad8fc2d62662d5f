import { join } from 'node:path';

/** All that is needed to tell nfs-ganesha of exports: it runs on this machine, and reads what lies in a folder. */
export interface GaneshaFiles {
  /** The `%dir` of its configuration; files of volumes are put there beside any others. */
  readonly exports: string;
  readonly pidFile: string;
  /** Where it says, at its level EVENT, what it has read. */
  readonly logFile: string;
}

/** Where a server in this folder has what whoever makes volumes needs of it. */
export function ganeshaFiles(folder: string): GaneshaFiles {
  return { exports: join(folder, 'exports'), pidFile: join(folder, 'ganesha.pid'), logFile: join(folder, 'ganesha.log') };
}

/** The folder of the server whose volumes are in this one, unless settings name another. */
export function ganeshaFolder(path: string): string {
  return join(path, 'ganesha');
}
