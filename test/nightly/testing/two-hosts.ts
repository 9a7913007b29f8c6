import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";

/** Two hosts with a link between them: network namespaces, which end with their processes. */
export interface TwoHosts extends Disposable {
  /** Words that run a program on the first host when they are put before it. */
  readonly first: readonly string[];
  /** Where the second host's web server answers with the address that it was asked from. */
  readonly server: string;
}

const SERVER = `require("node:http").createServer((request, response) => response.end(request.socket.remoteAddress))
  .listen(80, "0.0.0.0", () => console.log("ready"))`;

/** Starts two hosts that know no network but their link. Needs root. */
export async function startTwoHosts(): Promise<TwoHosts> {
  using undo = new DisposableStack();
  const first = await inNewNetwork("sh", "-c", "echo ready; exec sleep infinity");
  undo.defer(() => void first.kill("SIGKILL"));
  const second = await inNewNetwork(process.execPath, "-e", SERVER);
  undo.defer(() => void second.kill("SIGKILL"));
  const on = (host: ChildProcess) => ["nsenter", "--net", "--target", String(host.pid), "--"];
  const ip = (host: ChildProcess, line: string) => {
    const [program = "", ...words] = [...on(host), "ip", ...line.split(" ")];
    execFileSync(program, words);
  };
  ip(first, `link add outside type veth peer name inside netns ${second.pid}`);
  for (const [host, address, device] of [
    [first, "198.51.100.1/24", "outside"],
    [second, "198.51.100.2/24", "inside"],
  ] as const) {
    ip(host, "link set lo up");
    ip(host, `address add ${address} dev ${device}`);
    ip(host, `link set ${device} up`);
  }
  const kept = undo.move();
  return { first: on(first), server: "http://198.51.100.2/", [Symbol.dispose]: () => kept.dispose() };
}

/** Starts a program in a network namespace of its own, and resolves when it has printed something. */
async function inNewNetwork(...command: readonly string[]): Promise<ChildProcess> {
  const words = ["--pdeathsig=KILL", "--", "unshare", "--net", "--", ...command];
  const child = spawn("setpriv", words, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}
