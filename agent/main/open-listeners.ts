import type { Duplex } from "node:stream";
import { launchConsoleShell, restoreConsoleShell } from "../container/shell.ts";
import type { Fd } from "../kernel/kernel.ts";
import type { Listener } from "../kernel/sys/listeners.ts";
import { adoptStream } from "../kernel/sys/streams.ts";
import { keepConsoleShell } from "./console-shell.ts";
import { serveDebugConsole } from "./debug-console.ts";
import { apiAddress, HOST_CID, hostAddress, type ListenOn, listen } from "./listen.ts";
import { attachAddress, listenForStreams, streamAddress } from "./listen-streams.ts";
import type { OpenedKernel } from "./open-kernel.ts";
import type { OpenedServices } from "./open-services.ts";

/** Resumes the last agent's connections and calls, then listens on every address of the options. Returns the API's listener. */
export function openListeners(
  { kernel, options, log, sink, claimed }: OpenedKernel,
  { server, attachments, sandbox, streams }: OpenedServices,
): Listener {
  const { sys, init } = kernel;
  server.resume(init.greeting.deposits, sandbox.undone);
  const listenOn: ListenOn = (address, onConnection) => listen(init, address, onConnection, claimed.get(address));
  const listener = listenOn(apiAddress(options), (fd, cid) => void server.accept(fd, cid));
  const listenForHost = (port: number, serve: (socket: Duplex) => void) => {
    // On the channel's sockets, which have no CID, only init's relay can connect.
    const isHost = (cid: number | undefined) => cid === HOST_CID || (cid === undefined && options.channel !== "");
    listenOn(hostAddress(options, port), (fd, cid) => (isHost(cid) ? serve(adoptStream(fd)) : sys.close(fd)));
  };
  if (streams !== undefined) {
    listenForStreams(sys, listenOn, streamAddress(options, options.passfdPort), (port, fd) => {
      log.debug({ port }, "the host connected a stream for stdio");
      streams.add(port, fd);
    });
  }
  if (options.logPort > 0) {
    sink.console = false;
    listenForHost(options.logPort, (socket) => sink.addReader(socket));
  }
  if (options.debugConsolePort > 0 && options.debugConsole) {
    listenForHost(options.debugConsolePort, (socket) => void serveDebugConsole(kernel, socket));
  } else if (options.debugConsole) {
    void keepConsoleShell({
      launch: () => launchConsoleShell(kernel),
      found: restoreConsoleShell(kernel),
      onFailure: (line) => log.error(line),
    });
  }
  const attach = attachAddress(options);
  if (attach !== undefined) {
    const refuse = (fd: Fd, error: unknown) => {
      sys.close(fd);
      log.error({ error: String(error) }, "a client can't attach");
    };
    listenOn(attach, (fd, cid) =>
      attachments().then(
        (server) => server.accept(fd, cid),
        (error: unknown) => refuse(fd, error),
      ),
    );
  } else if (options.streamsPort > 0) {
    log.error(`option agent.streams_port=${options.streamsPort}: another listener has that port; clients can't attach`);
  }
  return listener;
}
