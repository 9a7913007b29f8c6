import { expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** With capabilities more than usual. */
export function startContainer(
  pod: Pod,
  more: readonly string[],
  parts: Init<grpc.Linux> = {},
  NoNewPrivileges = true,
): Promise<string> {
  const { Process, Linux } = ociSpec("/", ["sh", "-c", "mkdir -m 700 /closed; exec sleep 1000"]);
  const all = [...(Process?.Capabilities?.Bounding ?? []), ...more];
  const Capabilities = { Bounding: all, Effective: all, Permitted: all };
  return pod.start([], { Process: { ...Process, NoNewPrivileges, Capabilities }, Linux: { ...Linux, ...parts } });
}

/** Execs into a container that may trace what is born in it take another way there. */
export function tracedExecScenarios(pod: () => Pod): void {
  const start = (more: readonly string[], parts: Init<grpc.Linux> = {}, NoNewPrivileges = true) =>
    startContainer(pod(), more, parts, NoNewPrivileges);

  it("fails in the same words, and leaves nothing", async () => {
    const ids = [await start([]), await start(["CAP_SYS_PTRACE"])];
    for (const [args, parts] of [
      [["nope"], {}],
      [["/etc/passwd"], {}],
      [["true"], { Cwd: "/nowhere" }],
      [["true"], { Rlimits: [{ Type: "RLIMIT_NOFILE", Soft: 2 ** 40, Hard: 2 ** 40 }] }],
    ] as const) {
      const [expected, given] = await Promise.all(
        ids.map((id) =>
          pod()
            .exec(id, args, parts)
            .then(
              () => "",
              (error: Error) => error.message,
            ),
        ),
      );
      expect([given, expected]).toEqual([expected, expect.stringMatching(/^(exec|chdir|setrlimit) .*/)]);
    }
    for (const id of ids) {
      expect(await pod().machine.shell(`cat /sys/fs/cgroup/containers/${id}/cgroup.procs | wc -l`)).toBe("1\n");
      await pod().remove(id);
    }
  });

  it("is under the container's filter, which has to let it clone and make a session", async () => {
    const Names = ["mkdir", "mkdirat", "clone3"];
    const Seccomp = { DefaultAction: "SCMP_ACT_ALLOW", Syscalls: [{ Names, Action: "SCMP_ACT_ERRNO", errnoret: 38 }] };
    for (const NoNewPrivileges of [true, false]) {
      const id = await start(["CAP_SYS_PTRACE"], { Seccomp }, NoNewPrivileges);
      const line = "mkdir /x; grep ^Seccomp: /proc/self/status";
      const { stdout, stderr } = await pod().execute(id, ["sh", "-c", line], { NoNewPrivileges });
      expect(stdout.toString()).toBe("Seccomp:\t2\n");
      expect(stderr.toString()).toBe("mkdir: can't create directory '/x': Function not implemented\n");
      await pod().remove(id);
    }
  });
}
