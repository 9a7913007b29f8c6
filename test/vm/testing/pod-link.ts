import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Two network namespaces with a link between them, as a CNI plug-in makes: a pod's, and one beside the host's. */
export class PodLink implements AsyncDisposable {
  readonly #pod: string;
  readonly #other: string;

  /** @param name of at most 10 bytes that no other test has */
  static async make(name: string): Promise<PodLink> {
    const link = new PodLink(name);
    const [pod, other] = [link.#pod, link.#other];
    for (const each of [pod, other]) await run("ip", "netns", "add", each);
    const batch = [
      [pod, `link add eth0 mtu 1400 type veth peer name peer mtu 1400 netns ${other}`],
      [
        pod,
        "link set lo up",
        "link set eth0 up",
        "address add 10.44.0.2/24 dev eth0",
        "address add fd44::2/64 dev eth0 nodad",
      ],
      [
        other,
        "link set lo up",
        "link set peer up",
        "address add 10.44.0.1/24 dev peer",
        "address add fd44::1/64 dev peer nodad",
      ],
      [
        pod,
        "route add default via 10.44.0.1",
        "-6 route add default via fd44::1",
        "route add 10.55.0.0/16 via 10.44.0.1",
      ],
      [pod, "neighbour add 10.44.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent"],
    ];
    for (const [namespace = "", ...lines] of batch) {
      for (const line of lines) await run("ip", "-n", namespace, ...line.split(" "));
    }
    return link;
  }

  private constructor(name: string) {
    this.#pod = `${name}-p`;
    this.#other = `${name}-o`;
  }

  /** Path of the pod's namespace. */
  get path(): string {
    return `/run/netns/${this.#pod}`;
  }

  /** Runs a program at the other end, and returns its output. */
  outside(...argv: readonly string[]): Promise<string> {
    return run("ip", "netns", "exec", this.#other, ...argv);
  }

  /** Runs a program in the pod's namespace on the host, and returns its output. */
  inPod(...argv: readonly string[]): Promise<string> {
    return run("ip", "netns", "exec", this.#pod, ...argv);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of [this.#pod, this.#other]) await run("ip", "netns", "del", each);
  }
}

async function run(program: string, ...args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(program, args)).stdout;
}
