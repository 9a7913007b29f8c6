import { createSocket, type RemoteInfo } from "node:dgram";
import { openDatagramFlow } from "./datagram-flow.ts";
import type { ForwardTarget } from "./forward.ts";
import type { LocalForward, LocalForwardOptions, LocalPlace } from "./local-forward.ts";

/** A flow without datagrams for this long is closed, as in most address translators. */
const IDLE_MS = 60_000;
const MAX_FLOWS = 64;
/** Datagrams kept while a flow is opened. */
const MAX_EARLY = 64;

/** Datagrams to and from one place, which may be lost. */
interface DatagramPath {
  send(datagram: Uint8Array): void;
  close(): void;
}

/** Called for the datagrams of a path, and once it has closed. */
export interface FlowHandlers {
  onDatagram(datagram: Buffer): void;
  onClosed(): void;
}

interface DatagramOptions {
  /** Called when a path can't be opened, and when the port fails. */
  onError?(error: Error): void;
  readonly idleMs?: number;
}

interface Flow {
  opened: DatagramPath | undefined;
  readonly early: Buffer[];
  readonly idle: NodeJS.Timeout;
}

/** Forwards datagrams from a UDP port of the host: one flow for each sender, opened again if the agent restarts. */
export function forwardDatagrams(
  address: string,
  local: LocalPlace,
  target: ForwardTarget,
  options: LocalForwardOptions & DatagramOptions = {},
): Promise<LocalForward> {
  return relayDatagrams(local, (handlers) => openDatagramFlow(address, target, handlers, options), options);
}

/** Passes datagrams of a UDP port of the host on: one path of `openPath` for each sender, for as long as it is in use. */
export async function relayDatagrams(
  { host = "127.0.0.1", port = 0 }: LocalPlace,
  openPath: (handlers: FlowHandlers) => Promise<DatagramPath>,
  options: DatagramOptions = {},
): Promise<LocalForward> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  const flows = new Map<string, Flow>();
  const drop = (key: string, flow: Flow) => {
    clearTimeout(flow.idle);
    flow.opened?.close();
    if (flows.get(key) === flow) flows.delete(key);
  };
  const open = (key: string, from: RemoteInfo): Flow => {
    const idle = setTimeout(() => drop(key, flow), options.idleMs ?? IDLE_MS).unref();
    const flow: Flow = { opened: undefined, early: [], idle };
    flows.set(key, flow);
    const handlers = {
      onDatagram(datagram: Buffer) {
        idle.refresh();
        socket.send(datagram, from.port, from.address);
      },
      onClosed: () => drop(key, flow),
    };
    openPath(handlers).then(
      (opened) => {
        flow.opened = opened;
        if (flows.get(key) !== flow) opened.close();
        for (const datagram of flow.early.splice(0)) opened.send(datagram);
      },
      (error: Error) => {
        drop(key, flow);
        options.onError?.(error);
      },
    );
    return flow;
  };
  socket.on("message", (datagram, from) => {
    const key = `${from.address} ${from.port}`;
    const flow = flows.get(key) ?? (flows.size < MAX_FLOWS ? open(key, from) : undefined);
    flow?.idle.refresh();
    if (flow?.opened !== undefined) flow.opened.send(datagram);
    else if (flow !== undefined && flow.early.length < MAX_EARLY) flow.early.push(datagram);
  });
  socket.on("error", (error) => options.onError?.(error));
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, host, () => {
      socket.off("error", reject);
      resolve();
    });
  });
  return {
    port: socket.address().port,
    close: () =>
      new Promise((resolve) => {
        for (const [key, flow] of flows) drop(key, flow);
        socket.close(() => resolve());
      }),
  };
}
