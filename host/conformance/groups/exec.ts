import type { CaseGroup } from "../case.ts";
import { equal, matches, refused } from "../check.ts";
import { ociProcess } from "../oci-spec.ts";
import { execFieldCases } from "./exec-fields.ts";

export const exec: CaseGroup = {
  name: "exec",
  title: "Further processes",
  parallel: true,
  needs: ["rootfs"],
  cases: [
    {
      name: "ExecProcess: runs a process with its own output and exit code",
      level: "must",
      source: "Go shim and runtime-rs, kubectl exec",
      run: async (context) => {
        const id = await context.sleeper();
        const output = await context.execute(id, "echo out; echo err >&2; exit 7");
        equal(output, { stdout: "out\n", stderr: "err\n", status: 7 }, "output and status");
      },
    },
    {
      name: "ExecProcess: the process is in the container's mount and pid namespaces",
      level: "must",
      source: "OCI runtime spec, namespaces",
      run: async (context) => {
        const id = await context.sleeper();
        const line = "for n in mnt pid; do readlink /proc/1/ns/$n; readlink /proc/self/ns/$n; done | uniq -d | wc -l";
        const { stdout } = await context.execute(id, line);
        equal(stdout.trim(), "2", "the number of namespaces that are the same");
      },
    },
    {
      name: "ExecProcess: fails at once if the executable is missing, with its name in the text",
      level: "must",
      source: "kata-containers issue 8026; kubelet shows the text",
      run: async (context) => {
        const id = await context.sleeper();
        await refused(context.exec(id, ["no-such-program"]), { text: /no-such-program/ });
      },
    },
    {
      name: "ExecProcess: after a failed one the container runs on",
      level: "must",
      source: "kata-containers issue 8026",
      run: async (context) => {
        const id = await context.sleeper();
        await refused(context.exec(id, ["/no/such"]));
        equal((await context.execute(id, "echo alive")).stdout, "alive\n", "the output of the next exec");
      },
    },
    {
      name: "ExecProcess: fails if the file is not executable",
      level: "should",
      source: "kubelet shows the text",
      run: async (context) => {
        const id = await context.sleeper();
        await refused(context.exec(id, ["/etc/passwd"]));
      },
    },
    {
      name: "ExecProcess: fails if the working directory does not exist",
      level: "should",
      source: "behaviour of the reference",
      run: async (context) => {
        const id = await context.sleeper();
        await refused(context.exec(id, ["true"], { Cwd: "/no/such/directory" }));
      },
    },
    {
      name: "ExecProcess: runs in the container's cgroup",
      level: "should",
      source: "OCI runtime spec, linux.cgroupsPath",
      run: async (context) => {
        const id = await context.sleeper();
        const { stdout } = await context.execute(id, "cat /proc/1/cgroup; echo --; cat /proc/self/cgroup");
        const [first, own] = stdout.split("--\n");
        matches(own ?? "", /^\d+:.*:\//m, "/proc/self/cgroup");
        equal(own, first, "the cgroups");
      },
    },
    {
      name: "ExecProcess: a second exec with an id in use is refused",
      level: "should",
      source: "behaviour of the reference: INTERNAL, already exists",
      run: async (context) => {
        const id = await context.sleeper();
        const exec_id = await context.exec(id, ["sleep", "1000"]);
        const twice = context.agent.execProcess({ container_id: id, exec_id, process: ociProcess(["true"]) });
        await refused(twice, { text: /already exists|exist/i });
      },
    },
    {
      name: "ExecProcess: an id can be a UUID",
      level: "must",
      source: "Go shim, ids of execs",
      run: async (context) => {
        const id = await context.sleeper();
        const exec_id = crypto.randomUUID();
        await context.agent.execProcess({ container_id: id, exec_id, process: ociProcess(["echo", "x"]) });
        equal((await context.finish(id, exec_id)).stdout, "x\n", "stdout");
      },
    },
    {
      name: "ExecProcess: is refused in a container that has ended",
      level: "should",
      source: "behaviour of the reference",
      run: async (context) => {
        const id = await context.start(["true"]);
        await context.finish(id);
        await refused(context.exec(id, ["true"]));
      },
    },
    {
      name: "ExecProcess: twenty at once all end with their own status",
      level: "must",
      source: "kata-containers agent 762: probes and execs in parallel",
      run: async (context) => {
        const id = await context.sleeper();
        const codes = Array.from({ length: 20 }, (_, code) => code);
        const ended = await Promise.all(codes.map((code) => context.execute(id, `echo ${code}; exit ${code}`)));
        equal(
          ended.map(({ status }) => status),
          codes,
          "the statuses",
        );
        equal(
          ended.map(({ stdout }) => stdout),
          codes.map((code) => `${code}\n`),
          "the outputs",
        );
      },
    },
    ...execFieldCases,
  ],
};
