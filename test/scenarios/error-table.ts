import { afterAll, beforeAll, expect, it } from "vitest";
import type { AgentClient } from "../../host/client/agent-client.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

type Agent = AgentClient["agent"];

const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
const INTERNAL = 13;
const UNAVAILABLE = 14;

/** Ids of a running container without a terminal, with a running exec and one that was waited for. */
interface Ids {
  readonly container_id: string;
  readonly running: string;
  readonly endedExec: string;
  /** A container that was started, ended and waited for. */
  readonly ended: string;
}

interface Row {
  readonly situation: string;
  readonly calls: readonly ((agent: Agent, ids: Ids) => Promise<unknown>)[];
  readonly code: number;
  readonly text: RegExp;
}

const none = { container_id: "no-such", exec_id: "no-such" };
const onProcess = (ids: (all: Ids) => { container_id: string; exec_id: string }): Row["calls"] => [
  (agent, all) => agent.signalProcess({ ...ids(all), signal: 15 }),
  (agent, all) => agent.readStdout({ ...ids(all), len: 1 }),
  (agent, all) => agent.readStderr({ ...ids(all), len: 1 }),
  (agent, all) => agent.closeStdin(ids(all)),
  (agent, all) => agent.ttyWinResize({ ...ids(all), row: 1, column: 1 }),
];
const wait =
  (ids: (all: Ids) => { container_id: string; exec_id: string }): Row["calls"][number] =>
  (agent, all) =>
    agent.waitProcess(ids(all));
const noExec = ({ container_id }: Ids) => ({ container_id, exec_id: "no-such" });

/**
 * The rows of behaviour.md 2.1, with its texts, except those on policies (test/namespaces/policy.test.ts). A row whose code
 * differs here says why.
 */
const ROWS: readonly Row[] = [
  {
    situation: "unknown container in Start and Exec",
    calls: [(agent) => agent.startContainer(none), (agent) => agent.execProcess({ ...none, process: { Args: ["x"] } })],
    code: INTERNAL,
    text: /Invalid container id/,
  },
  {
    situation: "unknown container in Remove (NOT_FOUND instead of INTERNAL: section 15; the Go shim goes by the text)",
    calls: [(agent) => agent.removeContainer(none)],
    code: NOT_FOUND,
    text: /Invalid container id/,
  },
  {
    situation: "unknown container in Update, Stats, Pause and Resume",
    calls: [
      (agent) => agent.updateContainer(none),
      (agent) => agent.statsContainer(none),
      (agent) => agent.pauseContainer(none),
      (agent) => agent.resumeContainer(none),
    ],
    code: INVALID_ARGUMENT,
    text: /invalid container id/,
  },
  {
    situation: "unknown container in Signal, Wait, Read, CloseStdin and TtyWinResize",
    calls: [...onProcess(() => none), wait(() => none)],
    code: INVALID_ARGUMENT,
    text: /^invalid container id: there is no container "no-such"$/,
  },
  {
    situation: "unknown exec id in Signal, Wait, Read, CloseStdin and TtyWinResize",
    calls: [...onProcess(noExec), wait(noExec)],
    code: NOT_FOUND,
    text: /process not found/i,
  },
  {
    situation:
      "init process that was waited for in Signal, Read, CloseStdin and TtyWinResize (Wait returns its status again: below)",
    calls: onProcess(({ ended }) => ({ container_id: ended, exec_id: ended })),
    code: NOT_FOUND,
    text: /^process not found: "\S+" \((it was waited for( and its output was read)?|ESRCH: No such process)\)$/,
  },
  {
    situation: "Signal to an exec that was waited for: both hosts read one of these texts",
    calls: [
      (agent, { container_id, endedExec }) => agent.signalProcess({ container_id, exec_id: endedExec, signal: 9 }),
    ],
    code: NOT_FOUND,
    text: /ESRCH: No such process/,
  },
  {
    situation: "WriteStdin of an unknown container",
    calls: [(agent) => agent.writeStdin({ ...none, data: Buffer.from("x") })],
    code: INTERNAL,
    text: /^Invalid container id: there is no container "no-such"$/,
  },
  {
    situation: "WriteStdin of an unknown exec id",
    calls: [(agent, ids) => agent.writeStdin({ ...noExec(ids), data: Buffer.from("x") })],
    code: INTERNAL,
    text: /^write stdin: process not found: no exec "no-such" in container \S+$/,
  },
  {
    situation: "WriteStdin of an exec and of an init process that were waited for",
    calls: [
      (agent, { container_id, endedExec }) =>
        agent.writeStdin({ container_id, exec_id: endedExec, data: Buffer.from("x") }),
      (agent, { ended }) => agent.writeStdin({ container_id: ended, exec_id: ended, data: Buffer.from("x") }),
    ],
    code: INTERNAL,
    text: /^write stdin: process not found: "\S+" \(it was waited for\)$/,
  },
  {
    situation: "TtyWinResize on a process without a tty",
    calls: [
      (agent, { container_id, running }) => agent.ttyWinResize({ container_id, exec_id: running, row: 1, column: 1 }),
    ],
    code: UNAVAILABLE,
    text: /^resize of x\d+: it has no tty$/,
  },
  {
    situation: "duplicate exec id, also that of the init process",
    calls: [
      (agent, { container_id, running }) =>
        agent.execProcess({ container_id, exec_id: running, process: { Args: ["true"] } }),
      (agent, { container_id }) =>
        agent.execProcess({ container_id, exec_id: container_id, process: { Args: ["true"] } }),
    ],
    code: INTERNAL,
    text: /already exists/,
  },
  {
    situation: "duplicate container id (ALREADY_EXISTS instead of INTERNAL: section 15; the first one lives on)",
    calls: [(agent, { container_id }) => agent.createContainer({ container_id, OCI: ociSpec("/", ["true"]) })],
    code: ALREADY_EXISTS,
    text: /^create container \S+: the id already exists$/,
  },
  {
    situation: "missing OCI spec",
    calls: [(agent) => agent.createContainer({ container_id: "no-spec" })],
    code: INVALID_ARGUMENT,
    text: /OCI spec/,
  },
  {
    situation: "missing process",
    calls: [
      (agent, { container_id }) => agent.execProcess({ container_id, exec_id: "no-process" }),
      (agent) => agent.createContainer({ container_id: "no-process", OCI: { Root: { Path: "/" } } }),
    ],
    code: INVALID_ARGUMENT,
    text: /process/,
  },
  {
    situation: "missing executable: ExecProcess fails, with a text that names it",
    calls: [
      (agent, { container_id }) =>
        agent.execProcess({ container_id, exec_id: "missing", process: { Args: ["/nope"], Cwd: "/" } }),
    ],
    code: INTERNAL,
    text: /\/nope.*not found/,
  },
  {
    situation: "empty interface",
    calls: [(agent) => agent.updateInterface({})],
    code: INVALID_ARGUMENT,
    text: /interface/,
  },
  {
    situation: "no such interface: the Go shim retries on this text only",
    calls: [
      (agent) => agent.updateInterface({ interface: { name: "eth9", device: "eth9", hwAddr: "02:00:00:00:00:99" } }),
    ],
    code: INTERNAL,
    text: /Link not found/,
  },
  {
    situation: "missing routes",
    calls: [(agent) => agent.updateRoutes({})],
    code: INVALID_ARGUMENT,
    text: /^update routes: no routes are given$/,
  },
  {
    situation: "ResizeVolume (UNIMPLEMENTED in the reference) of a path that is no mount",
    calls: [(agent) => agent.resizeVolume({ volume_guest_path: "/nowhere", size: 1 })],
    code: INVALID_ARGUMENT,
    text: /\/nowhere.*it is not a mount point$/,
  },
  {
    situation: "memory agent calls when it is off",
    calls: [(agent) => agent.memAgentMemcgSet({}), (agent) => agent.memAgentCompactSet({})],
    code: INTERNAL,
    text: /^mem-agent is disabled$/,
  },
  {
    situation: "everything else, such as errors of the kernel",
    calls: [
      (agent) => agent.addSwapPath({ path: "/no-such" }),
      (agent) => agent.getVolumeStats({ volume_guest_path: "/no-such" }),
      (agent, { container_id }) =>
        agent.execProcess({ container_id, exec_id: "no-directory", process: { Args: ["true"], Cwd: "/bin/sh" } }),
      (agent) => {
        const mount = { destination: "/m", source: "x", type: "no-such-fs" };
        return agent.createContainer({ container_id: "no-fs", OCI: ociSpec("/", ["true"], { Mounts: [mount] }) });
      },
    ],
    code: INTERNAL,
    text: /^(swapon|statfs|chdir|mkdir|mount) \S+: E[A-Z]+/,
  },
];

export function errorTableScenarios(pod: () => Pod): void {
  let ids: Ids;
  beforeAll(async () => {
    const container_id = await pod().start(["sleep", "1000"]);
    const running = await pod().exec(container_id, ["sleep", "1000"]);
    const endedExec = await pod().exec(container_id, ["sh", "-c", "exit 3"]);
    await pod().finish(container_id, endedExec);
    const ended = await pod().start(["sh", "-c", "exit 7"]);
    await pod().finish(ended, ended);
    ids = { container_id, running, endedExec, ended };
  });
  afterAll(async () => {
    await pod().remove(ids.container_id);
    await pod().remove(ids.ended);
  });

  it.each(ROWS)("$situation: code $code", async ({ calls, code, text }) => {
    for (const [index, call] of calls.entries()) {
      await expect(call(pod().client.agent, ids), `call ${index + 1}`).rejects.toMatchObject({
        code,
        message: expect.stringMatching(text),
      });
    }
  });

  it("WaitProcess of a process that was waited for returns its status again (NOT_FOUND in the contract; the Go shim ignores it)", async () => {
    const { container_id, endedExec, ended } = ids;
    for (const waited of [
      { container_id, exec_id: endedExec },
      { container_id: ended, exec_id: ended },
      { container_id: ended, exec_id: "" },
    ]) {
      expect(await pod().client.agent.waitProcess(waited)).toEqual({ status: waited.container_id === ended ? 7 : 3 });
    }
  });

  it("refused calls change nothing: the container and its exec keep running", async () => {
    const { container_id, running } = ids;
    expect((await pod().execute(container_id, ["echo", "alive"])).stdout.toString()).toBe("alive\n");
    await pod().client.agent.signalProcess({ container_id, exec_id: running, signal: 9 });
    expect((await pod().finish(container_id, running)).status).toBe(137);
  });
}
