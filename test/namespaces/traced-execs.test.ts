import { afterAll, beforeAll, expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { startContainer } from "../scenarios/traced-execs.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const SEEN = [
  ...["id", "umask", "pwd", "ulimit -Sn; ulimit -Hn", "cat /proc/self/oom_score_adj", "ionice -p $$"],
  "grep -E '^(Cap|NoNewPrivs|Seccomp|Cpus_allowed_list|SigBlk|SigIgn)' /proc/self/status",
  "cut -d ' ' -f 19,40,41 /proc/$$/stat",
  "for n in mnt pid ipc uts cgroup net; do readlink /proc/self/ns/$n | grep -c ':\\['; done; cat /proc/self/cgroup",
  "echo $(( $(cut -d ' ' -f 6 /proc/$$/stat) == $$ )); tty; ls /proc/self/fd; echo here",
].join("; ");

/** Such an exec enters the container in a different way, with the same result as one that no process can trace. */
describeInNamespaces("an exec that a container's process could trace", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let plain: string;
  let tracer: string;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    plain = await startContainer(pod, []);
    tracer = await startContainer(pod, ["CAP_SYS_PTRACE"]);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  const Capabilities = { Bounding: ["CAP_KILL"], Effective: ["CAP_KILL"], Permitted: ["CAP_KILL"] };

  it.each<[string, Init<grpc.Process>]>([
    ["no settings", {}],
    ["another user", { User: { UID: 1000, GID: 100, AdditionalGids: [7], Umask: 0o77 } }],
    ["a directory that its user can't enter", { User: { UID: 1000 }, Cwd: "/closed" }],
    ["a terminal", { Terminal: true, ConsoleSize: { Height: 20, Width: 50 } }],
    ["limits", { Rlimits: [{ Type: "RLIMIT_NOFILE", Soft: 77, Hard: 88 }], OOMScoreAdj: 9 }],
    [
      "a scheduler and processors",
      {
        Scheduler: { Policy: "SCHED_BATCH", Nice: 3 },
        IOPriority: { Class: "IOPRIO_CLASS_BE", Priority: 6 },
        ExecCPUAffinity: { Final: "0" },
      },
    ],
    [
      "a scheduler that resets on fork",
      { Scheduler: { Policy: "SCHED_BATCH", Nice: 19, Flags: ["SCHED_FLAG_RESET_ON_FORK"] } },
    ],
  ])("with %s is the same as any other", async (_what, process) => {
    const seen = async (id: string) => {
      const exec_id = await pod.exec(id, ["sh", "-c", SEEN], { Capabilities, ...process });
      // A terminal has one output for both.
      const stdout = await pod.drain("readStdout", id, exec_id);
      const { status } = await pod.client.agent.waitProcess({ container_id: id, exec_id });
      return [stdout.toString().replaceAll(id, "ID"), status];
    };
    const expected = await seen(plain);
    expect(expected[0]).toContain("here");
    expect(await seen(tracer)).toEqual(expected);
  });
});
