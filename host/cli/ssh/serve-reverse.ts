import type { Duplex } from "node:stream";
import type { Connection, ServerChannel } from "ssh2";
import { type ReverseForward, reverseForward } from "../../client/streams/reverse-forward.ts";
import { joinChannel, reportForward } from "./join-channel.ts";
import { type ForwardPlace, tcpPlace } from "./serve-forward.ts";
import type { SshTarget } from "./ssh-target.ts";

const MAX_LISTENERS = 32;

/** A request of ssh -R: a port or the path of a socket. */
type Bind = { readonly bindAddr: string; readonly bindPort: number } | { readonly socketPath: string };
type Opened = (error: Error | undefined, channel: ServerChannel) => void;

/** Serves ssh's reverse forwards (-R) of one connection: listeners in the container that end with it. */
export function serveReverse(
  connection: Connection,
  target: SshTarget,
  closed: AbortSignal,
  onWork: (work: Promise<void>) => void,
): void {
  const listeners = new Map<string, ReverseForward>();
  const name = (bind: Bind) => ("socketPath" in bind ? bind.socketPath : `${bind.bindAddr}:${bind.bindPort}`);
  const open = (bind: Bind, port: number, done: Opened) =>
    "socketPath" in bind
      ? connection.openssh_forwardOutStreamLocal(bind.socketPath, done)
      : connection.forwardOut(bind.bindAddr, port, "127.0.0.1", 0, done);

  const listen = async (bind: Bind, accept: (port?: number) => void, reject: () => void) => {
    try {
      if (listeners.size >= MAX_LISTENERS) throw new Error(`forward -R: over ${MAX_LISTENERS} listeners`);
      let port = 0;
      const onConnection = (stream: Duplex) =>
        void open(bind, port, (error, channel) => {
          if (error === undefined) return joinChannel(channel, stream, closed);
          stream.on("error", () => undefined).destroy();
          reportForward(error);
        });
      const place = { container: target.container, ...placeOf(bind) };
      const reverse = reverseForward(target.address, place, { onConnection, onError: reportForward });
      listeners.set(name(bind), reverse);
      onWork(reverse.closed);
      closed.addEventListener("abort", () => reverse.close(), { once: true });
      port = await reverse.listening;
      if ("bindPort" in bind && bind.bindPort === 0) listeners.set(name({ ...bind, bindPort: port }), reverse);
      accept(port);
    } catch (error) {
      listeners.delete(name(bind));
      if (!closed.aborted) reportForward(error);
      reject();
    }
  };
  const handle = (
    accept: ((port?: number) => void) | undefined,
    reject: (() => void) | undefined,
    kind: string,
    bind: Bind,
  ) => {
    const [granted, refused] = [accept ?? (() => undefined), reject ?? (() => undefined)];
    if (!kind.startsWith("cancel-")) return void listen(bind, granted, refused);
    listeners.get(name(bind))?.close();
    listeners.delete(name(bind));
    granted();
  };
  connection.on("request", handle);
}

/** Returns where to listen; ssh's empty address and * mean any address. */
function placeOf(bind: Bind): ForwardPlace {
  if ("socketPath" in bind) return { path: bind.socketPath };
  const { bindAddr, bindPort } = bind;
  return tcpPlace(bindAddr === "*" || bindAddr === "" ? "0.0.0.0" : bindAddr, bindPort);
}
