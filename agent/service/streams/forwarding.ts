import { openSync } from "node:fs";
import { isPlainPath } from "../../../lib/plain-path.ts";
import { codec, DecodeError } from "../../../proto/codec.ts";
import { codeName } from "../../../proto/codes.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { encodeStreamFrame, STREAM, StreamFrameError, StreamFrameParser } from "../../../proto/stream-frame.ts";
import type { Container } from "../../container/container.ts";
import { containerRoot } from "../../container/container-root.ts";
import { readTextInside } from "../../container/files-in-root.ts";
import { hostId } from "../../container/namespaces/user-namespace.ts";
import { AgentError } from "../../kernel/error.ts";
import { type FileRoot, guestRoot } from "../../kernel/files/contained-files.ts";
import type { ForwardLedger } from "../../kernel/journal/forward-ledger.ts";
import type { Fd, Init } from "../../kernel/kernel.ts";
import type { RealSys } from "../../kernel/sys/sys.ts";
import {
  addressesOf,
  connectAbstract,
  connectInet,
  connectUnix,
  type SocketKernel,
} from "../../network/forward/connect-target.ts";
import type { ForwardProtocol } from "../../network/forward/forward-parts.ts";
import { Forwards } from "../../network/forward/forwards.ts";
import { addressesInHosts } from "../../network/forward/hosts-file.ts";
import { type ContainerListener, listenInet, listenUnix } from "../../network/forward/listen-in-container.ts";
import { Refusal } from "../../network/forward/refusal.ts";
import { type AttachedClient, ReverseForwards } from "../../network/forward/reverse-forwards.ts";
import { UdpFlow } from "../../network/forward/udp-flow.ts";
import type { Agent } from "../rpc.ts";
import { toStatus } from "../status.ts";

const { v1 } = guestd;
const forwardRequest = codec("guestd.v1.ForwardRequest", v1.ForwardRequest);
const forwardJoin = codec("guestd.v1.ForwardJoin", v1.ForwardJoin);
const forwardRefusal = codec("guestd.v1.ForwardRefusal", v1.ForwardRefusal);
const listenRequest = codec("guestd.v1.ForwardListenRequest", v1.ForwardListenRequest);
const failure = codec("guestd.v1.Failure", v1.Failure);

/** How long a target may take to accept a connection. */
const CONNECT_MS = 10_000;
/** Most connections being opened, and most UDP flows. */
const MAX_OPENING = 64;
const MAX_FLOWS = 64;
const ID_BYTES = 16;
const MAX_PATH = 4096;

/** Socket of a target, and how it is forwarded. */
export type Connected = { readonly target: Fd; readonly checkAgain: () => void } & (
  | { readonly kind: "stream"; readonly id: string; readonly acceptedOf?: string }
  | { readonly kind: "udp" }
);

/** Opens, accepts and continues forwarded connections, as the policy allows. */
export class Forwarding {
  readonly forwards: Forwards;
  readonly #agent: Agent;
  readonly #sys: RealSys;
  readonly #kernel: SocketKernel;
  readonly #reverse: ReverseForwards;
  readonly #connectMs: number;
  readonly #flows = new Map<UdpFlow, () => void>();
  #opening = 0;

  constructor(
    agent: Agent,
    kernel: SocketKernel & { sys: RealSys; init: Init },
    ledger: ForwardLedger,
    connectMs = CONNECT_MS,
  ) {
    const { sys, init } = kernel;
    this.#agent = agent;
    this.#sys = sys;
    this.#kernel = kernel;
    this.#connectMs = connectMs;
    this.forwards = new Forwards({ sys, init, ledger, protocol });
    this.#reverse = new ReverseForwards(sys, init);
    agent.policy.follow({ checkAgain: () => this.#checkAgain(), onError: () => undefined }, agent.policy.version);
  }

  /** Ends the connections that the policy denies, now that it has changed. */
  #checkAgain(): void {
    this.forwards.checkAgain();
    for (const [flow, checkAgain] of [...this.#flows]) {
      try {
        checkAgain();
      } catch {
        flow.close(); // datagrams have no room for a reason
      }
    }
  }

  /** Connects to what a first frame names. Throws Refusal, or AgentError. The caller owns the socket. */
  async connect(payload: Uint8Array): Promise<Connected> {
    const request = decode(forwardRequest, Uint8Array.from(payload)); // is kept; a frame is a view of what was read with it
    checkVersion("forward", request.version);
    const id = idOf(request.id);
    const { policy } = this.#agent;
    const { version } = policy;
    const checkAgain = () => policy.check("Forward", "ForwardRequest", request);
    checkAgain();
    if (request.udp) {
      if (this.#flows.size >= MAX_FLOWS) throw tooMany(`${MAX_FLOWS} UDP flows`);
    } else if (request.listener.length > 0) {
      return { kind: "stream", id, checkAgain, ...this.#accept(request.listener) };
    } else this.forwards.checkRoom();
    if (this.#opening >= MAX_OPENING) throw tooMany(`${MAX_OPENING} connections being opened`);
    this.#opening++;
    try {
      const target = await this.#connect(request);
      if (version !== policy.version) this.#checkOpened(target, checkAgain);
      return request.udp ? { kind: "udp", target, checkAgain } : { kind: "stream", id, target, checkAgain };
    } finally {
      this.#opening--;
    }
  }

  /** Closes a connection that the policy, which has changed meanwhile, denies, and throws its reason. */
  #checkOpened(target: Fd, checkAgain: () => void): void {
    try {
      checkAgain();
    } catch (error) {
      this.#sys.close(target);
      throw error;
    }
  }

  /** Id of the connection that the second half belongs to. */
  joined(payload: Uint8Array): string {
    const id = idOf(decode(forwardJoin, payload).id);
    if (this.forwards.isOpened(id)) return id;
    throw new AgentError("not-found", `forward: no connection ${id} waits for its second half`);
  }

  /** Owns both descriptors. */
  startFlow(client: Fd, target: Fd, checkAgain: () => void): void {
    const flow: UdpFlow = new UdpFlow(this.#sys, client, target, () => this.#flows.delete(flow));
    this.#flows.set(flow, checkAgain);
    flow.start();
  }

  /** Listens for a client; see ReverseForwards. Throws Refusal, or AgentError. */
  async listen(payload: Uint8Array, onWaiting: () => void, onReplaced: () => void): Promise<AttachedClient> {
    const request = decode(listenRequest, payload);
    checkVersion("reverse forward", request.version);
    const id = idOf(request.id);
    this.checkListen(payload);
    const container = request.container_id === "" ? undefined : this.#running(request.container_id);
    const listenHere = () => this.#listen(container, request);
    const attached = await this.#reverse.attach(id, request.container_id, listenHere, onWaiting, onReplaced);
    void container?.init.exit.then(() => this.#reverse.close(id));
    return attached;
  }

  /** Throws AgentError if the policy denies listening. */
  checkListen(payload: Uint8Array): void {
    this.#agent.policy.check("ForwardListen", "ForwardListenRequest", decode(listenRequest, payload));
  }

  /** Returns the encoded refusal; undefined for other errors. */
  refusal(error: unknown): Uint8Array | undefined {
    if (!(error instanceof Refusal)) return undefined;
    return forwardRefusal.encode({ type: error.type, message: error.message });
  }

  /** Accepts a connection at a listener. One without room is closed: left to wait, it would hide those behind it. */
  #accept(listener: Uint8Array) {
    const accepted = this.#reverse.accept(idOf(listener));
    if (accepted === undefined) {
      throw new AgentError("failed-precondition", "forward: no connection waits at the listener");
    }
    const { fd: target, container: acceptedOf } = accepted;
    try {
      this.forwards.checkRoom(acceptedOf);
    } catch (error) {
      this.#sys.close(target);
      throw error;
    }
    return { target, acceptedOf };
  }

  async #connect({ container_id, host, port, path, udp }: guestd.v1.ForwardRequest): Promise<Fd> {
    const signal = AbortSignal.timeout(this.#connectMs);
    const container = container_id === "" ? undefined : this.#running(container_id);
    using opened = new DisposableStack();
    const namespace = this.#namespaceOf(container, opened);
    if (path === "") {
      checkPort(port, 1);
      const addresses = addressesOf(host) ?? (await this.#resolve(host, container, signal));
      return await connectInet(this.#sys, namespace, { addresses, port, type: udp ? "datagram" : "stream" }, signal);
    }
    if (udp) throw new AgentError("invalid-argument", "forward: a unix socket has no UDP; use a stream");
    checkPath(path);
    if (path.startsWith("@")) return await connectAbstract(this.#sys, namespace, path, signal);
    return await connectUnix(this.#kernel, namespace, { root: this.#rootOf(container), path }, signal);
  }

  async #listen(
    container: Container | undefined,
    { host, port, path }: guestd.v1.ForwardListenRequest,
  ): Promise<ContainerListener> {
    using opened = new DisposableStack();
    const namespace = this.#namespaceOf(container, opened);
    if (path === "") {
      checkPort(port, 0);
      const [address] = addressesOf(host) ?? [];
      if (address === undefined) {
        const line = `reverse forward: ${JSON.stringify(host)} is a name; give the IP address to listen on`;
        throw new AgentError("invalid-argument", line);
      }
      return listenInet(this.#sys, namespace, address, port);
    }
    checkPath(path);
    const signal = AbortSignal.timeout(this.#connectMs);
    return await listenUnix(
      this.#kernel,
      namespace,
      { root: this.#rootOf(container), path, ...ownerIn(container) },
      signal,
    );
  }

  /** Returns the addresses of a name in the /etc/hosts of a container, or of the guest. Throws if it has none. */
  async #resolve(name: string, container: Container | undefined, signal: AbortSignal): Promise<readonly string[]> {
    const hosts = (await readTextInside(this.#kernel.contained, this.#rootOf(container), "/etc/hosts", signal)) ?? "";
    const addresses = addressesInHosts(hosts, name);
    if (addresses.length > 0) return addresses;
    const where = container === undefined ? "the guest's" : "the container's";
    const line = `forward: ${JSON.stringify(name)} isn't in ${where} /etc/hosts, and DNS isn't asked; give its IP address`;
    throw new AgentError("invalid-argument", line);
  }

  /** Throws a refusal unless the container's first process runs. */
  #running(id: string): Container {
    const container = this.#agent.sandbox.find(id);
    if (container !== undefined && container.init.status === undefined) return container;
    const why = container === undefined ? "there is no such container" : "its first process has ended";
    throw new Refusal("no-container", `forward to container ${JSON.stringify(id.slice(0, 80))}: ${why}`);
  }

  #rootOf(container: Container | undefined): FileRoot {
    return container === undefined ? guestRoot("") : containerRoot(this.#sys, container.id, container.init);
  }

  #namespaceOf(container: Container | undefined, opened: DisposableStack): Fd {
    if (container !== undefined) return container.init.pidfd;
    return opened.adopt(openSync("/proc/self/ns/net", "r"), (fd) => this.#sys.close(fd));
  }
}

const protocol: ForwardProtocol = {
  finish: (total) => encodeStreamFrame("forwardEnd", STREAM.process, total),
  readFinish(bytes) {
    try {
      const [frame] = new StreamFrameParser("client").push(Buffer.from(bytes));
      if (frame === undefined) return undefined;
      if (frame.type === "forwardEnd") return frame.offset;
      throw new AgentError("invalid-argument", `frame ${frame.type}: only forwardEnd may follow`);
    } catch (error) {
      throw error instanceof StreamFrameError ? new AgentError("invalid-argument", error.message) : error;
    }
  },
  failure(error) {
    const { code, message } = toStatus(error);
    return encodeStreamFrame("error", STREAM.process, 0, failure.encode({ kind: codeName(code), message }));
  },
};

/** Returns the user who may connect to a socket file, as ids of the guest: the container's, or root. */
function ownerIn(container: Container | undefined): { readonly uid: number; readonly gid: number } {
  if (container === undefined) return { uid: 0, gid: 0 };
  const { process, linux } = container.spec;
  const { uid, gid } = process.user;
  return {
    uid: linux.uidMappings === undefined ? uid : (hostId(linux.uidMappings, uid) ?? 0),
    gid: linux.gidMappings === undefined ? gid : (hostId(linux.gidMappings, gid) ?? 0),
  };
}

const tooMany = (what: string) => new AgentError("resource-exhausted", `forward: ${what} are already open`);

function decode<T>(message: { decode(bytes: Uint8Array): T }, payload: Uint8Array): T {
  try {
    return message.decode(payload);
  } catch (error) {
    if (error instanceof DecodeError) throw new AgentError("invalid-argument", error.message, { cause: error });
    throw error;
  }
}

function checkVersion(what: string, version: number): void {
  if (version < 1) throw new AgentError("invalid-argument", `${what}: the request has no version; set 1`);
}

function idOf(bytes: Uint8Array): string {
  if (bytes.length === ID_BYTES) return Buffer.from(bytes).toString("hex");
  throw new AgentError("invalid-argument", `forward: the id has ${bytes.length} bytes; use ${ID_BYTES} random ones`);
}

function checkPort(port: number, least: number): void {
  if (port >= least && port <= 65_535) return;
  throw new AgentError("invalid-argument", `forward: ${port} is no port (${least} to 65535)`);
}

function checkPath(path: string): void {
  const isName = path.startsWith("@") && path.length > 1 && Buffer.byteLength(path) <= 108;
  if (isName ? !path.includes("\0") : isPlainPath(path) && Buffer.byteLength(path) < MAX_PATH) return;
  const what = 'absolute path without "." and ".." and empty parts, and no @name';
  const line = `forward: ${JSON.stringify(path.slice(0, 120))} is no ${what}`;
  throw new AgentError("invalid-argument", line);
}
