import { dial } from "../../../host/client/dial.ts";
import { RpcError } from "../../../host/client/rpc-error.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";
import type { FaultyMachine } from "./faulty-machine.ts";
import { ATTACHED_OUTPUT, attachedExec, endAttachedExec, forwardedConnection } from "./stream-calls.ts";

/** A part of a host's conversation over its own connection. Throws what a host would see; ends within a few seconds. */
export interface Step {
  readonly name: string;
  run(faulty: FaultyMachine): Promise<void>;
  /** Cleans up after a failed run, over the bystanders' connection. */
  undo?(faulty: FaultyMachine): Promise<void>;
  /** How long the agent may keep what a failed run has left, ms. Default: 2.5 s. */
  readonly settleMs?: number;
}

const SHARED = "/run/kata-containers/shared/containers";
let count = 0;

async function withPod(faulty: FaultyMachine, work: (pod: Pod) => Promise<void>, protocol: "ttrpc" | "grpc" = "ttrpc") {
  const client = await faulty.machine.connect({ protocol });
  try {
    await work(new Pod(faulty.machine, client));
  } finally {
    await client.close();
  }
}

function check(protocol: "ttrpc" | "grpc"): Step {
  return {
    name: `a check over ${protocol}`,
    run: (faulty) => withPod(faulty, async ({ client }) => void (await client.health.check({})), protocol),
  };
}

function container(): Step {
  const id = "hit";
  let rootfs: string | undefined;
  return {
    name: "a container's life",
    async run(faulty) {
      rootfs ??= faulty.machine.rootfs("hit");
      const OCI = ociSpec(rootfs, ["sh", "-c", "echo out; exit 3"]);
      await withPod(faulty, async (pod) => {
        await pod.client.agent.createContainer({ container_id: id, OCI });
        await pod.client.agent.startContainer({ container_id: id });
        const { stdout, status } = await pod.finish(id, id);
        expectSame([String(stdout), status], ["out\n", 3]);
        await pod.remove(id);
      });
    },
    undo: ({ pod }) => pod.remove(id).catch(() => undefined),
  };
}

/**
 * Returns a step that runs an exec in the standing container. `body` starts the exec with the given id and drives it to
 * its end; `undoMore` cleans up what a kill of the exec doesn't.
 */
function exec(
  name: string,
  body: (pod: Pod, standing: string, exec_id: string, faulty: FaultyMachine) => Promise<void>,
  undoMore: (faulty: FaultyMachine, exec_id: string) => Promise<void> = async () => undefined,
): Step {
  let exec_id = "";
  return {
    name,
    async run(faulty) {
      exec_id = `hit${++count}`;
      await withPod(faulty, (pod) => body(pod, faulty.standing, exec_id, faulty));
    },
    async undo(faulty) {
      const { pod, standing } = faulty;
      const { agent } = pod.client;
      const exec = { container_id: standing, exec_id };
      await agent.signalProcess({ ...exec, signal: 9 }).catch(() => undefined);
      // An exec is kept until its output was read, unless it has passed stdio, and its status was returned.
      const outputs = [pod.drain("readStdout", standing, exec_id), pod.drain("readStderr", standing, exec_id)];
      await Promise.all(outputs).catch(refusesTimeout);
      await agent.waitProcess(exec, { timeoutMs: 3000 }).catch(refusesTimeout);
      await undoMore(faulty, exec_id);
    },
  };
}

function execWithPassedStdio(): Step {
  let unclaimed: { stdin_port: number; stdout_port: number; stderr_port: number } | undefined;
  const body = async (pod: Pod, container_id: string, exec_id: string, { machine }: FaultyMachine) => {
    const { address } = machine;
    const [stdin, stdout, stderr] = [
      await passedStream(address),
      await passedStream(address),
      await passedStream(address),
    ];
    try {
      unclaimed = { stdin_port: stdin.port, stdout_port: stdout.port, stderr_port: stderr.port };
      const Args = ["sh", "-c", "cat; exit 7"];
      await pod.client.agent.execProcess({ container_id, exec_id, process: { ...process, Args }, ...unclaimed });
      unclaimed = undefined;
      stdin.socket.end("in");
      const { status } = await pod.client.agent.waitProcess({ container_id, exec_id });
      expectSame(status, 7);
      const text = await stdout.text;
      // A stream that was hit ends, like one that was never opened.
      if (text !== "in") throw new RpcError("unavailable", "the stream was closed");
    } finally {
      for (const { socket } of [stdin, stdout, stderr]) socket.destroy();
    }
  };
  // Streams wait half a minute for their call: this exec claims them and exits.
  return exec("an exec with passed stdio", body, async ({ pod, standing: container_id }) => {
    if (unclaimed === undefined) return;
    const ids = { container_id, exec_id: `claims${++count}` };
    await pod.client.agent.execProcess({ ...ids, process: { ...process, Args: ["true"] }, ...unclaimed });
    await pod.client.agent.waitProcess(ids);
    unclaimed = undefined;
  });
}

/** Opens a stream that a host passes for stdio, and collects its output. */
async function passedStream(address: string) {
  const port = 10_000 + ++count;
  const socket = await dial(`${address}_1027`);
  socket.write(`${port}\n`);
  let text = "";
  socket.on("data", (data) => {
    text += String(data);
  });
  socket.on("error", () => undefined);
  return { port, socket, text: new Promise<string>((resolve) => socket.on("close", () => resolve(text))) };
}

const streamsOf = ({ address }: FaultyMachine["machine"]) => `${address}_1028`;

const process = { Env: ["PATH=/bin"], Cwd: "/" };

export const steps: readonly Step[] = [
  check("ttrpc"),
  check("grpc"),
  exec("an exec with input and output", async (pod, container_id, exec_id) => {
    const { agent } = pod.client;
    const Args = ["sh", "-c", "cat; echo err >&2; exit 5"];
    await agent.execProcess({ container_id, exec_id, process: { ...process, Args } });
    await agent.writeStdin({ container_id, exec_id, data: Buffer.from("in") });
    await agent.closeStdin({ container_id, exec_id });
    const { stdout, stderr, status } = await pod.finish(container_id, exec_id);
    expectSame([String(stdout), String(stderr), status], ["in", "err\n", 5]);
  }),
  exec("an exec with a terminal", async (pod, container_id, exec_id) => {
    const { agent } = pod.client;
    const Args = ["sh", "-c", "read line; stty size; exit 6"];
    await agent.execProcess({ container_id, exec_id, process: { ...process, Args, Terminal: true } });
    await agent.ttyWinResize({ container_id, exec_id, row: 11, column: 22 });
    await agent.writeStdin({ container_id, exec_id, data: Buffer.from("go\n") });
    const stdout = await pod.drain("readStdout", container_id, exec_id);
    const { status } = await agent.waitProcess({ container_id, exec_id });
    const seen = String(stdout).replaceAll(/\s+/g, " ");
    // A terminal reports its end by EIO: then it is hung up.
    const ended = "go 11 22 ".startsWith(seen) && (status === 6 || status === 129);
    expectSame(ended, true);
    if (seen !== "go 11 22 ") throw new RpcError("unavailable", "the terminal was closed");
  }),
  execWithPassedStdio(),
  exec(
    "an exec through an attachment",
    async (_, container, id, { machine }) => {
      const { code, stdout, stderr } = await attachedExec(streamsOf(machine), container, id);
      expectSame([stdout, stderr, code], [`in${ATTACHED_OUTPUT}`, "err\n", 5]);
    },
    ({ machine, standing }, id) => endAttachedExec(streamsOf(machine), standing, id),
  ),
  container(),
  {
    name: "a forwarded connection",
    // One whose second half never comes is closed after 10 s.
    settleMs: 12_500,
    async run({ machine, rootfs, standing }) {
      expectSame(await forwardedConnection(streamsOf(machine), standing, rootfs), "in and out");
    },
  },
  {
    name: "statistics, metrics and an update",
    run: (faulty) =>
      withPod(faulty, async ({ client }) => {
        const container_id = faulty.standing;
        await client.agent.statsContainer({ container_id });
        await client.agent.getMetrics({});
        await client.agent.updateContainer({
          container_id,
          resources: { Devices: [{ Allow: true, Type: "c", Major: 1, Minor: 3, Access: "rwm" }] },
        });
        await client.agent.pauseContainer({ container_id });
        await client.agent.resumeContainer({ container_id });
      }),
    undo: async ({ pod, standing }) => {
      await pod.client.agent.resumeContainer({ container_id: standing }).catch(() => undefined);
    },
  },
  {
    name: "a copied file",
    run: (faulty) =>
      withPod(faulty, async ({ client }) => {
        const part = { path: `${SHARED}/hit`, file_mode: 0o100644, dir_mode: 0o755, file_size: 4 };
        await client.agent.copyFile({ ...part, offset: 0, data: Buffer.from("ab") });
        await client.agent.copyFile({ ...part, offset: 2, data: Buffer.from("cd") });
      }),
  },
];

/** An incorrect success, which is worse than an error. */
class WrongAnswer extends Error {}

function expectSame(got: unknown, wanted: unknown): void {
  if (JSON.stringify(got) === JSON.stringify(wanted)) return;
  throw new WrongAnswer(`wrong answer: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
}

function refusesTimeout(error: { readonly kind?: string }): void {
  if (error.kind === "deadline-exceeded") throw error;
}
