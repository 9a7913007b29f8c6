/** Serves the channel to a guest until it is ended: `channel-program PATH SOCKET`, as in `serveChannel`. */
import { serveChannel } from "./serve-channel.ts";

const [path, socket] = process.argv.slice(2);
if (path === undefined || socket === undefined) fail(new Error("usage: channel-program PATH SOCKET"));
else await serveChannel({ path, socket }, fail).catch(fail);

function fail(error: unknown): void {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}
