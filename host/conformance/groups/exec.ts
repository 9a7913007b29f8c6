import type { CaseGroup } from "../case.ts";
import { equal, holds, matches, refused } from "../check.ts";
import { CAPABILITY_MASK, capabilities, ociProcess } from "../oci-spec.ts";

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
      name: "ExecProcess: looks the program up along the process's PATH",
      level: "must",
      source: "OCI runtime spec, process.env",
      run: async (context) => {
        const id = await context.sleeper();
        const line =
          "mkdir -p /tmp/conf-path; printf '#!/bin/sh\\necho mine\\n' > /tmp/conf-path/conf-program; chmod 755 /tmp/conf-path/conf-program";
        await context.execute(id, line);
        const found = await context.exec(id, ["conf-program"], { Env: ["PATH=/nowhere:/tmp/conf-path:/bin"] });
        equal((await context.finish(id, found)).stdout, "mine\n", "stdout");
        await refused(context.exec(id, ["conf-program"], { Env: ["PATH=/bin"] }));
      },
    },
    {
      name: "ExecProcess: has exactly the given arguments and environment",
      level: "must",
      source: "OCI runtime spec, process.args and process.env",
      run: async (context) => {
        const id = await context.sleeper();
        const args = [
          "sh",
          "-c",
          'for a in "$0" "$@"; do echo "[$a]"; done; echo "$GREETING"',
          "zero",
          "",
          "two words",
          "ünï",
        ];
        const run = await context.exec(id, args, { Env: ["PATH=/bin", "GREETING=hello  there", "EMPTY="] });
        equal((await context.finish(id, run)).stdout, "[zero]\n[]\n[two words]\n[ünï]\nhello  there\n", "stdout");
      },
    },
    {
      name: "ExecProcess: does not inherit the container's environment",
      level: "should",
      source: "OCI runtime spec, process.env",
      run: async (context) => {
        const Process = ociProcess(["sleep", "1000"], { Env: ["PATH=/bin", "ONLY=first"], NoNewPrivileges: true });
        const id = await context.start([], { Process });
        equal((await context.execute(id, "echo [$ONLY]")).stdout, "[]\n", "the variable");
      },
    },
    {
      name: "ExecProcess: runs in the given working directory",
      level: "must",
      source: "OCI runtime spec, process.cwd",
      run: async (context) => {
        const id = await context.sleeper();
        equal((await context.execute(id, "pwd", { Cwd: "/tmp" })).stdout, "/tmp\n", "the directory");
      },
    },
    {
      name: "ExecProcess: runs as the given user with its groups",
      level: "must",
      source: "OCI runtime spec, process.user",
      run: async (context) => {
        const id = await context.sleeper();
        const User = { UID: 1000, GID: 100, AdditionalGids: [7, 42] };
        equal((await context.execute(id, "id -u; id -g; id -G", { User })).stdout, "1000\n100\n100 7 42\n", "the ids");
      },
    },
    {
      name: "ExecProcess: HOME is that of the user in the container's /etc/passwd",
      level: "should",
      source: "behaviour of the reference and of runc",
      run: async (context) => {
        const id = await context.sleeper();
        const User = { UID: 1000, GID: 100 };
        equal((await context.execute(id, "echo $HOME", { User })).stdout, "/home/ann\n", "HOME");
      },
    },
    {
      name: "ExecProcess: an unprivileged user can write to its stdout by /dev/stdout",
      level: "must",
      source: "images that log as an ordinary user",
      run: async (context) => {
        const id = await context.sleeper();
        const output = await context.execute(id, "echo x > /dev/stdout", { User: { UID: 1000, GID: 100 } });
        equal(output, { stdout: "x\n", stderr: "", status: 0 }, "output and status");
      },
    },
    {
      name: "ExecProcess: without capabilities in the request, it has the container's",
      level: "must",
      source: "both hosts send none for an exec; behaviour of the reference",
      run: async (context) => {
        const id = await context.sleeper();
        const line = "grep -E 'CapEff|CapBnd' /proc/self/status";
        const expected = `CapEff:\t${CAPABILITY_MASK}\nCapBnd:\t${CAPABILITY_MASK}\n`;
        equal((await context.execute(id, line)).stdout, expected, "the capabilities");
      },
    },
    {
      name: "ExecProcess: capabilities in the request apply",
      level: "should",
      source: "OCI runtime spec, process.capabilities",
      run: async (context) => {
        const id = await context.sleeper();
        const line = "grep -E 'CapEff|CapBnd' /proc/self/status | cut -f2";
        const { stdout } = await context.execute(id, line, { Capabilities: capabilities(["CAP_KILL"]) });
        equal(stdout, "0000000000000020\n0000000000000020\n", "the effective and bounding sets");
      },
    },
    {
      name: "ExecProcess: resource limits apply",
      level: "must",
      source: "runtime-rs sends process.rlimits",
      run: async (context) => {
        const id = await context.sleeper();
        const Rlimits = [{ Type: "RLIMIT_NOFILE", Soft: 77, Hard: 88 }];
        equal((await context.execute(id, "ulimit -Sn; ulimit -Hn", { Rlimits })).stdout, "77\n88\n", "the limits");
      },
    },
    {
      name: "ExecProcess: no_new_privs applies",
      level: "must",
      source: "runtime-rs sends process.noNewPrivileges",
      run: async (context) => {
        const id = await context.sleeper();
        const { stdout } = await context.execute(id, "grep NoNewPrivs /proc/self/status", { NoNewPrivileges: true });
        equal(stdout, "NoNewPrivs:\t1\n", "the flag");
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
    {
      name: "ExecProcess: arguments of 100 kB arrive",
      level: "should",
      source: "Linux, MAX_ARG_STRLEN is 128 KiB",
      run: async (context) => {
        const id = await context.sleeper();
        const long = "x".repeat(100_000);
        const run = await context.exec(id, ["sh", "-c", 'printf %s "$1" | wc -c', "sh", long]);
        equal((await context.finish(id, run)).stdout.trim(), "100000", "the length");
      },
    },
    {
      name: "ExecProcess: open descriptors of the agent don't leak into the process",
      level: "should",
      source: "kata-containers agent 762 and issue 11503",
      run: async (context) => {
        const id = await context.sleeper();
        const { stdout } = await context.execute(id, "ls /proc/self/fd | wc -l");
        holds(Number(stdout) <= 4, "ls has at most its directory and three descriptors", stdout.trim());
      },
    },
    {
      name: "ExecProcess: the process is a session leader without the agent's terminal",
      level: "should",
      source: "behaviour of runc",
      run: async (context) => {
        const id = await context.sleeper();
        const { stdout } = await context.execute(id, "cut -d' ' -f1,6,7 /proc/$$/stat");
        const [pid, session, terminal] = stdout.trim().split(" ");
        equal([session === pid, terminal], [true, "0"], "session leader and terminal");
        matches(pid ?? "", /^\d+$/, "the pid");
      },
    },
  ],
};
