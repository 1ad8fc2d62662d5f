/** Reads one file of a guest over and over, in a process that can be killed: `link-user.ts CHANNEL SOCKET FILE`. */
import { silentLog } from '../../src/base/log.ts';
import { HttpLink } from '../../src/container/link/http-link.ts';
import { SerialConnector } from '../../src/container/link/serial-connector.ts';

const [, , channel = '', runtimeSocket = '', file = ''] = process.argv;
const link = await HttpLink.open({ connector: new SerialConnector(channel), runtimeSocket, log: silentLog });
link.onChange((connected) => {
  if (!connected) return;
  process.stdout.write('connected\n');
  for (let reader = 0; reader < 4; reader++) void (async () => {
    for (;;) await link.files.readFile(file, 2 ** 24);
  })();
});
setInterval(() => {}, 1000);
