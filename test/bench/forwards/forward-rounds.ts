import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { openForward } from "../../../host/client/streams/forward.ts";
import type { CopiedContainer } from "../copies/copy-rounds.ts";
import { CallCpu } from "../process-usage.ts";
import { Samples } from "../samples.ts";

const MIB = 1024 * 1024;
const SOCKET = "/run/bench.sock";

/** Sends one byte to each client, and then as many mebibytes as the client asks for. */
const SERVER = `
require("net").createServer({ allowHalfOpen: true }, (socket) => {
  const block = Buffer.alloc(65536);
  socket.on("error", () => {}).write(".");
  socket.once("data", (wanted) => {
    let left = Number(wanted) * 16;
    const more = () => {
      while (left-- > 0) if (!socket.write(block)) return socket.once("drain", more);
      socket.end();
    };
    more();
  });
}).listen(process.argv[1], () => console.log("ready"));
`;

/** Forwards to a unix socket in a container's root, which a process of this machine serves. */
export class ForwardRounds implements Disposable {
  /** Megabytes (10^6) per second from the server to this process. */
  readonly speed = new Samples();
  /** Milliseconds from connecting to the server's first byte. */
  readonly firstByte = new Samples();
  /** The agent's CPU time for a MiB. */
  readonly cpu: CallCpu;
  readonly #place: CopiedContainer;
  readonly #server: ChildProcess;

  private constructor(place: CopiedContainer, agentPid: number, server: ChildProcess) {
    this.#place = place;
    this.#server = server;
    this.cpu = new CallCpu(agentPid);
  }

  static async start(place: CopiedContainer, agentPid: number): Promise<ForwardRounds> {
    mkdirSync(join(place.rootfs, "run"), { recursive: true });
    const server = spawn(process.execPath, ["-e", SERVER, join(place.rootfs, SOCKET)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(server.stdout, "data");
    return new ForwardRounds(place, agentPid, server);
  }

  async connectOnce(): Promise<void> {
    const stream = await this.firstByte.time(() => this.#connect());
    stream.end("0");
    await once(stream.resume(), "close");
  }

  async transfer(mib: number): Promise<void> {
    const stream = await this.#connect();
    let bytes = 0;
    await this.cpu.during(async () => {
      const began = performance.now();
      stream.end(`${mib}`);
      for await (const chunk of stream) bytes += (chunk as Buffer).length;
      this.speed.add(bytes / 1e6 / ((performance.now() - began) / 1000));
      return mib;
    });
    if (bytes !== mib * MIB) throw new Error(`forward of a unix socket: ${bytes} bytes arrived`);
  }

  /** Resolves once the first byte has arrived. */
  async #connect(): Promise<Duplex> {
    const { address, container } = this.#place;
    const stream = await openForward(address, { container, path: SOCKET });
    await once(stream, "readable");
    stream.read();
    return stream;
  }

  [Symbol.dispose](): void {
    this.#server.kill("SIGKILL");
  }
}
