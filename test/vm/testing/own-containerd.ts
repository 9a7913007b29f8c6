import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect } from "vitest";
import { makeBusyboxImage } from "../../../host/engine/image/make-image.ts";
import type { ShimRecord } from "../../../host/shim/shim-place.ts";
import { namesIn } from "../../../lib/names-in.ts";
import { isAlive } from "../../../lib/process-owner.ts";

const shim = join(import.meta.dirname, "../../../host/shim/containerd-shim-guestd-v2");
/** Parts of containerd that this machine may not have, or that would look at others' tasks. */
const CRI = "io.containerd.grpc.v1.cri";
const PLUGINS = [
  CRI,
  "io.containerd.internal.v1.restart",
  ...["aufs", "btrfs", "devmapper", "zfs"].map((name) => `io.containerd.snapshotter.v1.${name}`),
];

/** How a command has ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface OwnContainerdOptions {
  /** Namespace of the containers. Default: "default". */
  readonly namespace?: string;
  /** Names under which it finds our shim. Default: "guestd". */
  readonly names?: readonly string[];
  /** Its network namespace. Default: the host's. */
  readonly network?: string;
  /** Lines of the configuration of its CRI plug-in, which is disabled without them. */
  readonly cri?: (directory: string) => readonly string[];
}

/** Returns a containerd with folders and sockets of its own, for the tests of a file; ends it and its shims afterwards. */
export function ownContainerd(
  prefix: string,
  { namespace = "default", names = ["guestd"], network, cri }: OwnContainerdOptions = {},
) {
  const directory = mkdtempSync(join(tmpdir(), prefix));
  const socket = join(directory, "c.sock");
  const shimConfig = join(directory, "shim.json");
  let daemon: ChildProcess | undefined;
  let events: ChildProcess | undefined;
  const published: string[] = [];

  const shims = join(directory, "shims");
  const env = {
    ...process.env,
    PATH: `${shims}:${process.env["PATH"]}`,
    GUESTD_VSOCK: "serial",
    GUESTD_SHIM_CONFIG: shimConfig,
  };
  const start = (program: string, ...args: string[]) => spawn(program, args, { env, stdio: "pipe" });

  /** Runs a command of ctr. */
  async function ctr(...args: string[]): Promise<Ended> {
    return ended(start("ctr", "--address", socket, ...args));
  }

  /** Runs ctr on a terminal of its own. */
  const ctrOnTerminal = (line: string) =>
    ended(start("script", "--quiet", "--return", "--command", `ctr --address ${socket} ${line}`, "/dev/null"));

  async function startDaemon(): Promise<void> {
    const enter = network === undefined ? [] : ["nsenter", `--net=${network}`, "--"];
    const [program = "", ...args] = [...enter, "containerd", "--config", join(directory, "config.toml")];
    daemon = spawn(program, args, { env, stdio: "ignore" });
    while ((await ctr("version")).code !== 0) {
      if (daemon.exitCode !== null) throw new Error(`containerd: it ended with ${daemon.exitCode}`);
      await sleep(50);
    }
    events = spawn("ctr", ["--address", socket, "events"], { stdio: ["ignore", "pipe", "ignore"] });
    let rest = "";
    events.stdout?.on("data", (data) => {
      const lines = `${rest}${data}`.split("\n");
      rest = lines.pop() ?? "";
      published.push(...lines);
    });
  }

  async function endDaemon(): Promise<void> {
    for (const child of [events, daemon]) {
      if (child === undefined || child.exitCode !== null) continue;
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill();
      await gone;
    }
  }

  const bundles = join(directory, "state/io.containerd.runtime.v2.task", namespace);
  const recordFile = (container: string) => join(bundles, container, "guestd-shim.json");
  const record = (container: string): ShimRecord => JSON.parse(readFileSync(recordFile(container), "utf8"));

  beforeAll(async () => {
    mkdirSync(shims);
    for (const name of names) symlinkSync(shim, join(shims, `containerd-shim-${name}-v2`));
    const image = join(directory, "busybox.tar");
    const config = [
      "version = 2",
      `root = "${directory}/root"`,
      `state = "${directory}/state"`,
      `disabled_plugins = ${JSON.stringify(PLUGINS.filter((name) => cri === undefined || name !== CRI))}`,
      `grpc.address = "${socket}"`,
      ...(cri === undefined ? [] : [`[plugins."${CRI}"]`, ...cri(directory)]),
    ];
    writeFileSync(join(directory, "config.toml"), config.join("\n"));
    await Promise.all([startDaemon(), makeBusyboxImage(image)]);
    expect(await ctr("image", "import", "--snapshotter", "native", image)).toMatchObject({ code: 0 });
  });

  afterAll(async () => {
    const names = namesIn(bundles);
    const owners = names.filter((name) => existsSync(recordFile(name))).map((name) => record(name).owner);
    const left = owners.filter(isAlive);
    for (const { pid } of left) process.kill(pid, "SIGKILL");
    await endDaemon();
    rmSync(directory, { recursive: true, force: true });
    expect(names).toEqual([]);
  });

  return {
    directory,
    socket,
    ctr,
    ctrOnTerminal,
    startDaemon,
    endDaemon,
    record,
    /** Writes the configuration of guests that start from now on. */
    configure: (config: object) => writeFileSync(shimConfig, JSON.stringify(config)),
    /** Runs a container with the shim. */
    async run(options: readonly string[], name: string, ...args: string[]) {
      const image = (await ctr("image", "ls", "-q")).stdout.trim();
      return ctr(
        "run",
        "--runtime",
        "io.containerd.guestd.v2",
        "--snapshotter",
        "native",
        ...options,
        image,
        name,
        ...args,
      );
    },
    /** Pids in a container's events of starts. */
    pidsOf: (name: string) =>
      published
        .filter((line) => /\/tasks\/(exec-started|start)/.test(line) && line.includes(`"container_id":"${name}"`))
        .map((line) => Number(/"pid":(\d+)/.exec(line)?.[1])),
    /** The topics of a container's events so far, and of its processes. */
    events: (name: string) =>
      published
        .filter((line) => line.includes(`"container_id":"${name}"`))
        .map((line) => /\/tasks\/(\S+)/.exec(line)?.[1]),
  };
}

async function ended(child: ReturnType<typeof spawn>): Promise<Ended> {
  child.stdin?.end();
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout as never), text(child.stderr as never)]);
  return { code: await code, stdout, stderr };
}
